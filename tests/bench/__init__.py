"""Measures scoperun side by side with its alternatives: `make bench`."""
