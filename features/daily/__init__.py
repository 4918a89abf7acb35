"""First stage: reduce logs to one row per user and day."""
