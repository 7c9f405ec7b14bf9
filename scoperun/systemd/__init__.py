"""The manager over D-Bus."""
