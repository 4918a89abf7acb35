"""Step `ingest`: rows of a source to the staging tables."""
