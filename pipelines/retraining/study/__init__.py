"""The study of a sweep: its trials, budget and measures."""
