"""What runs in the guest. Standard library only, on every suite's Python."""
