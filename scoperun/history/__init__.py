"""What is known about earlier runs? Their reports are kept in a database, and show what limit a job needs."""
