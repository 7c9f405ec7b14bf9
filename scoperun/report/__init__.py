"""What is said: the report as a value, as JSON, in words. No I/O."""
