"""Measures of predictions, and comparisons of models."""
