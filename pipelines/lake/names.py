"""The lake's tables by name, each declared once."""

WITHOUT_ORDERS = "features_without_orders"
"""Table of profile and behaviour."""
