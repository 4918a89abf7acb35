"""First stage of behaviour: reduce the event log to one row per user and day, and per user, category and day.

A row depends on the user's events of its own day; its price level also depends on the shop's purchases of the 28 days
before. A session that lasts over midnight counts on both days.
"""

import ibis
import ibis.expr.types as ir

from features.daily.orders import price_levels, with_products
from features.exact import exact_sum
from features.schema import CART, CLICK, FAVOURITE, MISSING, SEARCH, VIEW

MEASURES = {"views": VIEW, "clicks": CLICK, "searches": SEARCH, "carts": CART, "favourites": FAVOURITE}
"""Columns that count events, and the event type that each counts."""


def catalogued_events(events: ir.Table, versions: ir.Table | None) -> ir.Table:
    """Add the product's `category` and `list_price` at the time of each event.

    Columns that the source lacks are added as nulls, so that one query serves every source.

    >>> catalogued_events(ibis.memtable({"event_id": ["e"], "product_id": ["a"]}), versions=None).columns
    ('event_id', 'product_id', 'session_id', 'dwell_seconds', 'category', 'list_price')

    Args:
        events: the canonical table `events`.
        versions: from `features.daily.orders.product_versions`; None: category and list price are null.
    """
    for column, kind in (("product_id", "string"), ("session_id", "string"), ("dwell_seconds", "float64")):
        if column not in events.columns:
            events = events.mutate(**{column: ibis.null(kind)})
    return with_products(events, "occurred_at", versions, "category", "list_price")


def user_event_day(events: ir.Table, prices: ir.Table) -> ir.Table:
    """Reduce events to one row per user and day, with the counts and sums that windows add up.

    Args:
        events: from `catalogued_events`.
        prices: from `features.daily.orders.category_prices`, of the 28 days before each day of the events.

    Returns:
        `user_id`, `day`, a count per event type (`MEASURES`), `dwell_seconds`, `sessions` (distinct ids), and
        `view_level`, the sum of the price levels of `view_level_views` product views (standard deviations).
    """
    levelled = price_levels(_log_list_prices(events), prices, "view_level")
    counts = {name: levelled.count(where=levelled.event_type == kind) for name, kind in MEASURES.items()}
    return levelled.group_by(["user_id", "day"]).aggregate(
        **{name: count.cast("float64") for name, count in counts.items()},
        dwell_seconds=exact_sum(levelled.dwell_seconds).fill_null(0.0),
        sessions=levelled.session_id.nunique().cast("float64"),
        view_level=exact_sum(levelled.view_level),
        view_level_views=levelled.view_level.count().cast("float64"),
    )


def user_event_category_day(events: ir.Table) -> ir.Table:
    """Count product views per user, category and day; views of products without a category share one category.

    >>> from datetime import date
    >>> viewed = {"user_id": ["u"] * 3, "event_type": ["view", "view", "cart"], "product_id": ["a", "b", "a"]}
    >>> events = ibis.memtable(viewed | {"category": ["x", None, "x"], "day": [date(2024, 1, 1)] * 3})
    >>> user_event_category_day(events).order_by("category").execute()[["category", "views"]].values.tolist()
    [['missing', 1.0], ['x', 1.0]]

    Args:
        events: from `catalogued_events`.
    """
    views = events.filter(events.event_type == VIEW, events.product_id.notnull())
    views = views.mutate(category=views.category.fill_null(MISSING))
    return views.group_by(["user_id", "category", "day"]).aggregate(views=views.count().cast("float64"))


def _log_list_prices(events: ir.Table) -> ir.Table:
    """Add `log_price`, the log list price of a viewed product; null for other events, without a price or category."""
    is_view = (events.event_type == VIEW) & (events.list_price > 0) & events.category.notnull()
    return events.mutate(log_price=ibis.ifelse(is_view, events.list_price, ibis.null("float64")).ln())
