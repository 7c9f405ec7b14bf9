"""The world: each module does one thing with it. Imports the core, never the supervisor."""
