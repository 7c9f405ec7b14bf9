"""How do many runs share a machine? Jobs are admitted by memory, retried when they ran out of it, and never lost."""
