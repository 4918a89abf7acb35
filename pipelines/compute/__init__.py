"""Where queries run: DuckDB or Spark."""
