"""Definitions of sources."""
