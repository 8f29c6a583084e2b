"""What happened, in order, for good."""
