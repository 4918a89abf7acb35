"""Predictions for users without orders."""
