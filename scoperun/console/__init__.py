"""What all command lines share: parsers of option values, config files, files that are written."""
