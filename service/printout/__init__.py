"""A report as it is read on paper: its parts first, then the same parts as a page of the browser and as PDF."""
