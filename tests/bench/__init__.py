"""Measures scoperun beside what people would use instead: `make bench`."""
