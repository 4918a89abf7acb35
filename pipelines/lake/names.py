"""Names of the lake's tables, each declared once."""

MONITORING = "monitoring"
"""Table of the checks of each monitored snapshot."""

ALARM, REALISED = "alarm", "realised"
"""Rows of `MONITORING` other than drift checks: the alarm, and realised measures of past scores."""

FEATURE_TABLE = "features"
"""Table of the features of users with orders, by snapshot."""

WITHOUT_ORDERS = "features_without_orders"
"""Table of the features of users without orders: profile and behaviour."""

ODD_IDS = "odd_ids"
"""Table of user ids to look at, see `pipelines.validate.odd_ids`."""
