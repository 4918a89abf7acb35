"""The first stage of behaviour: the event log reduced to one row per user and day, and per user, category and day.

A row depends on the events of its own day, and its price level on the purchases of the 27 days before it as well. A
session that lasts over midnight counts on both days.
"""

import ibis
import ibis.expr.types as ir

from features.user_day import log_prices, price_reference, with_products

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


def user_event_day(events: ir.Table, lines: ir.Table) -> ir.Table:
    """One row per user and day with an event: counts and sums that windows add up.

    Args:
        events: from `catalogued_events`.
        lines: the order lines of the same days and the 27 before, from `features.user_day.categorised_lines`.
    """
    levelled = _view_levels(events, lines)
    is_type = {name: levelled.event_type == event_type for name, event_type in MEASURES.items()}
    return levelled.group_by(["user_id", "day"]).aggregate(
        **{name: condition.sum().cast("float64") for name, condition in is_type.items()},
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


def _view_levels(events: ir.Table, lines: ir.Table) -> ir.Table:
    """Add `view_level`: the z-score of a viewed product's log list price among its category's purchases of 28 days.

    Null for other events, without a price or category, and where the category's prices do not differ.
    """
    is_view = (events.event_type == "view") & (events.list_price > 0) & events.category.notnull()
    events = events.mutate(log_price=ibis.ifelse(is_view, events.list_price, ibis.null("float64")).ln())
    asked = events.filter(events.log_price.notnull()).select("category", "day").distinct()
    joined = events.left_join(price_reference(log_prices(lines), asked), ["category", "day"])
    return joined.select(*events.columns, view_level=(joined.log_price - joined["mean"]) / joined.spread)
