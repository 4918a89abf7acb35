"""What must hold of every table, and how it is checked."""
