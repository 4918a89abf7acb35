"""Releases: what the service answers with, on disk."""
