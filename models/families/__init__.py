"""Families of spend models, a file each."""
