"""What was seen, and what it means. No I/O, no clock."""
