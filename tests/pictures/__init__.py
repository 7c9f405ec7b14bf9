"""The pictures in README.md: `make pictures` runs scopectl in a guest and writes docs/list.svg and docs/top.svg."""
