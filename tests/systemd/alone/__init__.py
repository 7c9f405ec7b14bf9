"""What takes how long, beside others in the same guest: nothing else runs on the machine while the lab tests this."""
