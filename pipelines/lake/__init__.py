"""The Delta tables."""
