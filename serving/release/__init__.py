"""Releases: the files on disk from which the service answers."""
