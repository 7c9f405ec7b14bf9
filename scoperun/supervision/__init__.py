"""The order of a run, from the request to the report."""
