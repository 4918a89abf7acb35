"""The daily tables, declared: one row per user (and category) and day, reduced from a log."""

from collections.abc import Callable
from dataclasses import dataclass

import ibis.expr.types as ir

from features.daily import orders as user_day
from features.daily.events import user_event_category_day, user_event_day


@dataclass(frozen=True)
class Daily:
    """A daily table.

    Attributes:
        name: of the table.
        log: the raw table whose days it has.
        priced: whether a row reads the prices of the 28 days before as well.
        reduce: takes the log's rows with what is known of their products and, if `priced`, `category_prices`.
    """

    name: str
    log: str
    priced: bool
    reduce: Callable[..., ir.Table]


DAILY = (
    Daily("user_day", "order_lines", priced=True, reduce=user_day.user_day),
    Daily("user_category_day", "order_lines", priced=False, reduce=user_day.user_category_day),
    Daily("user_event_day", "events", priced=True, reduce=user_event_day),
    Daily("user_event_category_day", "events", priced=False, reduce=user_event_category_day),
)
