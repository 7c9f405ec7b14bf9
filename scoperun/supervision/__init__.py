"""The order: from a request to a report."""
