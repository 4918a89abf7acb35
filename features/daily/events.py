"""The first stage of behaviour: the event log reduced to one row per user and day, and per user, category and day.

A row depends on the user's events of its own day, and its price level on the shop's purchases of the 28 days before it
as well. A session that lasts over midnight counts on both days.
"""

import ibis
import ibis.expr.types as ir

from features.daily.orders import price_levels, with_products

MEASURES = {"views": "view", "clicks": "click", "searches": "search", "carts": "cart", "favourites": "favourite"}
"""Columns that count events, and the type that each counts."""


def catalogued_events(events: ir.Table, versions: ir.Table | None) -> ir.Table:
    """Events with the `category` and `list_price` of their product that held at the time.

    `versions` are `features.user_day.product_versions`.

    Columns that the source lacks are added as nulls, so that one query serves every source.
    """
    for column, kind in (("product_id", "string"), ("session_id", "string"), ("dwell_seconds", "float64")):
        if column not in events.columns:
            events = events.mutate(**{column: ibis.null(kind)})
    return with_products(events, "occurred_at", versions, "category", "list_price")


def user_event_day(events: ir.Table, prices: ir.Table) -> ir.Table:
    """One row per user and day with an event: counts and sums that windows add up.

    Args:
        events: from `catalogued_events`.
        prices: of the 28 days before each day of the events, from `features.user_day.category_prices`.
    """
    levelled = price_levels(_log_list_prices(events), prices, "view_level")
    counts = {name: levelled.count(where=levelled.event_type == kind) for name, kind in MEASURES.items()}
    return levelled.group_by(["user_id", "day"]).aggregate(
        **{name: count.cast("float64") for name, count in counts.items()},
        dwell_seconds=levelled.dwell_seconds.sum().fill_null(0.0),
        sessions=levelled.session_id.nunique().cast("float64"),
        view_level=levelled.view_level.sum(),
        view_level_views=levelled.view_level.count().cast("float64"),
    )


def user_event_category_day(events: ir.Table) -> ir.Table:
    """One row per user, category and day with the number of products viewed; no category is one category together."""
    views = events.filter(events.event_type == "view", events.product_id.notnull())
    views = views.mutate(category=views.category.fill_null("missing"))
    return views.group_by(["user_id", "category", "day"]).aggregate(views=views.count().cast("float64"))


def _log_list_prices(events: ir.Table) -> ir.Table:
    """Add `log_price`: the log list price of a product viewed; null for other events, without a price or category."""
    is_view = (events.event_type == "view") & (events.list_price > 0) & events.category.notnull()
    return events.mutate(log_price=ibis.ifelse(is_view, events.list_price, ibis.null("float64")).ln())
