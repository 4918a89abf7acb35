"""What the steps of a retraining share."""
