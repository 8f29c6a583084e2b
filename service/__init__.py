"""The rim: processes, web, settings, clinical log."""
