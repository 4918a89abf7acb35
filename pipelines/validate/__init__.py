"""Step `validate`: staged rows to raw tables and quarantine."""
