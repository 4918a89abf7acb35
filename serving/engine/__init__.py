"""Live scoring of single users, in a process of its own."""
