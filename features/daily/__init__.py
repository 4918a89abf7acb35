"""The first stage: logs reduced to one row per user and day."""
