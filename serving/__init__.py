"""The live service: scores of single users, what just happened, and the dashboard."""
