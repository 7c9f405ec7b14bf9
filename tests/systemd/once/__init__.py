"""What is scoperun's own doing, whatever the systemd: it is tested on one suite, for the others' time."""
