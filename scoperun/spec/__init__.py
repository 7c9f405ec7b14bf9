"""What is asked for: text and numbers -> systemd properties. No I/O."""
