"""Days with events or orders of a user, aged at a snapshot: the table that features of behaviour read."""

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

VISIT_DAYS = 364
"""Days before a snapshot whose visits are read: the cost of a snapshot does not grow with the history."""

OF_ORDERS = ("orders", "price_level", "price_level_lines")
"""Columns of a purchase day that features of behaviour compare with."""

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
"""Columns of a day with events."""


def user_visits(user_event_day: ir.Table, user_days: ir.Table, snapshot_date: date) -> ir.Table:
    """Union the days with events and the purchase days of the 364 days before the snapshot, each as a row of its own.

    Args:
        user_event_day: one row per user and day with events, see `features.daily.events`.
        user_days: days with orders of the whole history, with `age_days` and `bought`.
        snapshot_date: rows of this day and later are ignored.

    Returns:
        `user_id` and `age_days` (1 is the day before the snapshot). On rows of events: `visit` (1.0), the columns of
        `user_event_day`, and `views_since_order` and `carts_since_order`, null on days up to the last purchase day. On
        rows of purchase days: `orders`, `price_level` and `price_level_lines`. All other values are null.
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
