"""Code shared by the steps of a retraining."""
