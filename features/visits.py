"""What the features of behaviour are computed from: a user's days with events or orders, aged at a snapshot."""

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

VISIT_DAYS = 364
"""Visits are remembered so long, which bounds the cost of a snapshot however long the history is."""

OF_ORDERS = ("orders", "price_level", "price_level_lines")
"""What behaviour is compared with, on days with a purchase."""

OF_EVENTS = (
    "views",
    "clicks",
    "searches",
    "carts",
    "favourites",
    "dwell_seconds",
    "sessions",
    "view_level",
    "view_level_views",
)


def user_visits(user_event_day: ir.Table, user_days: ir.Table, snapshot_date: date) -> ir.Table:
    """The days of the last 364 before the snapshot, those with events and those with a purchase as rows of their own.

    Args:
        user_event_day: see `features.event_day`.
        user_days: the days with orders, with `age_days` and `bought`, of all time.
        snapshot_date: rows of this day and later are not looked at.

    Returns:
        `user_id`, `age_days`, `visit` (1.0) and the columns of `user_event_day`, null on a row of a purchase;
        `views_since_order` and `carts_since_order`, null as well on days up to the last purchase; and, null on a row of
        events, `orders`, `price_level` and `price_level_lines`.
    """
    first_day = snapshot_date - timedelta(days=VISIT_DAYS)
    past = user_event_day.filter(user_event_day.day >= first_day, user_event_day.day < snapshot_date)
    age = ibis.literal(snapshot_date).delta(past.day, unit="day").cast("float64")
    last = user_days.filter(user_days.bought).group_by("user_id").aggregate(order_age=lambda day: day.age_days.min())
    events = past.mutate(age_days=age).left_join(last, "user_id").drop("user_id_right")
    null = ibis.null("float64")
    since = events.order_age.isnull() | (events.age_days < events.order_age)
    visits = events.select(
        "user_id",
        "age_days",
        *OF_EVENTS,
        visit=ibis.literal(1.0),
        views_since_order=ibis.ifelse(since, events.views, null),
        carts_since_order=ibis.ifelse(since, events.carts, null),
        **dict.fromkeys(OF_ORDERS, null),
    )
    orders = user_days.filter(user_days.bought, user_days.age_days <= VISIT_DAYS)
    of_events = (*OF_EVENTS, "visit", "views_since_order", "carts_since_order")
    bought = orders.select("user_id", "age_days", *OF_ORDERS, **dict.fromkeys(of_events, null))
    return visits.union(bought.select(*visits.columns))
