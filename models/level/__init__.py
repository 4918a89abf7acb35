"""Forecast of the total spend of all known users."""
