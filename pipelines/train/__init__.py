"""Step `train`: refit the finalists, blend them and log the model."""
