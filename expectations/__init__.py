"""Rules of every table, and how they are checked."""
