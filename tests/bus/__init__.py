"""Tests against a fake systemd on a private bus; they need dbus-daemon(1)."""
