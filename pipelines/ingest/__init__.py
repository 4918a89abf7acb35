"""Step `ingest`: read the rows of a source into the staging tables."""
