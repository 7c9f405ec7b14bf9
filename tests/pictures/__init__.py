"""The pictures in README.md: `make pictures` runs scopectl in a guest and writes docs/{list,top,plot}.svg."""
