"""The program `scopectl`: what runs, what it uses, and how to change, attach and end it; one module a subcommand."""
