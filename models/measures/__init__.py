"""Measures of predictions and of data."""
