"""Declarations of features, a module per family."""
