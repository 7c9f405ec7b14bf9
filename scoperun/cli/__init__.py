"""The command line `scoperun`."""
