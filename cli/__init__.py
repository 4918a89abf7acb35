"""Command line: the only package that imports every step."""
