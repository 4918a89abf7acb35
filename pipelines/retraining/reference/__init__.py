"""The reference that monitoring compares with."""
