"""Families of spend models, one per file."""
