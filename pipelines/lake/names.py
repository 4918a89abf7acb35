"""The lake's tables by name, each declared once."""

MONITORING = "monitoring"
"""Table of the checks of each monitored snapshot."""

ALARM, REALISED = "alarm", "realised"
"""Names of rows of `MONITORING` that are no drift: whether to retrain, and how past scores turned out."""

FEATURE_TABLE = "features"
"""Table of the features of users with orders, by snapshot."""

WITHOUT_ORDERS = "features_without_orders"
"""Table of the features of users without orders: profile and behaviour."""
