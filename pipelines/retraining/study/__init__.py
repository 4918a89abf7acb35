"""Optuna study of a sweep: trials, budget and measures."""
