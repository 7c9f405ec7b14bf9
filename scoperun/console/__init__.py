"""What every command line shares: values of options, config files, files that are written."""
