"""MLflow: runs, the registry and logged models."""
