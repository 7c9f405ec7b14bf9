"""Stories about memory whose ends are known, because they are arranged."""
