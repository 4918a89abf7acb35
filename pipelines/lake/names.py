"""The lake's tables by name, each declared once."""

MONITORING = "monitoring"
"""Table of the checks of each monitored snapshot."""

ALARM, REALISED = "alarm", "realised"
"""Names of rows of `MONITORING` that are no drift: whether to retrain, and how past scores turned out."""

WITHOUT_ORDERS = "features_without_orders"
"""Table of profile and behaviour."""
