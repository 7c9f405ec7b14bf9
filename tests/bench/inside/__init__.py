"""What runs in the bed. The standard library alone, and scoperun where that is what is measured."""
