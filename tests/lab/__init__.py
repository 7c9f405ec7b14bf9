"""Boots real systemds in user-mode Linux guests and runs commands in them."""
