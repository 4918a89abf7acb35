"""Scores computed anew, in a process of its own."""
