"""The features, a file per family."""
