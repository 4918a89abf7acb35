"""The live service: an API for scores, events and orders, and the dashboard."""
