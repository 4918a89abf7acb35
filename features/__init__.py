"""Features: canonical tables, definitions, and the expressions that compute them. Pure; no I/O."""
