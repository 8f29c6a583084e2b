"""DICOM in, DICOM out; nothing outside this package knows a tag."""
