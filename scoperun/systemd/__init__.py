"""systemd's manager over D-Bus."""
