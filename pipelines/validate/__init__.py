"""Step `validate`: split staged rows into raw tables and quarantine."""
