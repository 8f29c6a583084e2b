"""What is seen, and what deserves an alarm: pure functions on arrays and frozen values."""
