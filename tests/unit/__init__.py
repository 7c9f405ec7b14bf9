"""The core needs nothing: no bus, no systemd, no clock."""
