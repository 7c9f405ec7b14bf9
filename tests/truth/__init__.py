"""Stories about memory of which it is known how they end, because they were arranged."""
