"""Hyperparameter spaces, and how trials are drawn from them."""
