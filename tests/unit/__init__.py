"""Tests of the core need no bus, no systemd and no clock."""
