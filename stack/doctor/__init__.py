"""Checks of a home from end to end; each finding names the command that removes it."""
