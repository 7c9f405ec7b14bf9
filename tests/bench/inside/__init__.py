"""The programs that run in the bed; they import the standard library, and scoperun only where it is measured."""
