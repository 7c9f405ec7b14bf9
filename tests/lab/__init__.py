"""Boots guests with a real systemd in user-mode Linux and runs commands in them."""
