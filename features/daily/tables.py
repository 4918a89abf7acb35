"""The daily tables, each declared once: one row per user (and category) and day, reduced from a log."""

from collections.abc import Callable
from dataclasses import dataclass

import ibis.expr.types as ir

from features.daily import events, orders
from features.schema import EVENTS, ORDER_LINES


@dataclass(frozen=True)
class Daily:
    """Declaration of a daily table.

    Attributes:
        name: name of the table.
        log: name of the raw table that it is reduced from.
        priced: whether a row also depends on the prices of the 28 days before.
        reduce: takes the log with the attributes of its products and, if `priced`, `category_prices`.
    """

    name: str
    log: str
    priced: bool
    reduce: Callable[..., ir.Table]


USER_DAY = Daily("user_day", ORDER_LINES.name, priced=True, reduce=orders.user_day)
USER_CATEGORY_DAY = Daily("user_category_day", ORDER_LINES.name, priced=False, reduce=orders.user_category_day)
USER_EVENT_DAY = Daily("user_event_day", EVENTS.name, priced=True, reduce=events.user_event_day)
USER_EVENT_CATEGORY_DAY = Daily(
    "user_event_category_day", EVENTS.name, priced=False, reduce=events.user_event_category_day
)
DAILY = (USER_DAY, USER_CATEGORY_DAY, USER_EVENT_DAY, USER_EVENT_CATEGORY_DAY)
"""All daily tables."""
