"""Features: canonical tables, definitions, and the expressions that compute them. Pure functions without I/O."""
