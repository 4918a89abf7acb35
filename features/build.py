"""The second stage: features of every user at a snapshot, and labels, from the daily tables. All lazy."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from features import sequences
from features.daily.orders import periods
from features.feature import Days, Feature
from features.visits import user_visits

SATURDAY = 5
MONTH_START_DAYS = 10
CATEGORY_WINDOWS_DAYS = (28, 91)
DAYS = ("user_day", "user_visit")
"""Tables whose rows are days of an age."""


def build(
    tables: Mapping[str, ir.Table],
    snapshot_date: date,
    features: Sequence[Feature],
    channels: Sequence[sequences.Channel] = (),
    population: Literal["buyers", "without_orders"] = "buyers",
) -> ir.Table:
    """One row per user of the population at `snapshot_date` (exclusive): `user_id`, features and channels in order.

    Args:
        tables: `user_day`, and `user_category_day`, `user_event_day`, `user_event_category_day` and `users` where a
            feature needs them.
        snapshot_date: rows of this day and later are not looked at.
        features: what to compute, see `features.definitions.available`.
        channels: the user's last actions as lists, see `features.sequences.available`; none unless a model reads them.
        population: those with a purchase before the snapshot, or those whom `users` knew before it without one.
    """
    rows = {"user_day": _user_days(tables["user_day"], snapshot_date)}
    if "user_category_day" in tables:
        rows["user_category"] = _user_categories(tables["user_category_day"], snapshot_date, "units", "spend")
    if "user_event_day" in tables:
        rows["user_visit"] = user_visits(tables["user_event_day"], rows["user_day"], snapshot_date)
    if "user_event_category_day" in tables:
        rows["user_viewed_category"] = _user_categories(tables["user_event_category_day"], snapshot_date, "views")
    if "users" in tables:
        rows["users"] = _users(tables["users"], snapshot_date)
    result = _population(rows, population)
    for table in ("user_day", "user_category", "user_visit", "user_viewed_category", "users"):
        wanted = [feature for feature in features if feature.table == table]
        if wanted:
            result = result.left_join(_computed(rows[table], wanted), "user_id", rname="{name}_right")
    if channels:
        actions = sequences.build(tables["user_day"], snapshot_date, channels, events=tables.get("user_event_day"))
        result = result.left_join(actions, "user_id")
    columns = {feature.name: _with_default(result, feature) for feature in features}
    return result.select("user_id", **columns, **{channel.name: result[channel.name] for channel in channels})


def part(tables: Mapping[str, ir.Table], number: int, parts: int) -> dict[str, ir.Table]:
    """The same tables with the rows of one part of the users, `0 <= number < parts`, of about equal size.

    What is computed of users apart needs less memory at a time, and is the same: no feature looks at another user.
    """
    if parts == 1:
        return dict(tables)
    return {name: table.filter(_hash(table.user_id) % parts == number) for name, table in tables.items()}


@ibis.udf.scalar.builtin(name="hash")
def _hash(value: str) -> dt.uint64:
    """DuckDB's own: it decides which users are computed together and nothing else (Ibis' way to it is slow)."""


def labels(user_day: ir.Table, snapshot_date: date, label_days: int) -> ir.Table:
    """One row per user with an order in `[snapshot_date, snapshot_date + label_days)`: future_spend (net), purchased.

    Users without a row spent 0 and did not purchase; a user who only returned did not purchase.
    """
    end = snapshot_date + timedelta(days=label_days)
    horizon = user_day.filter(user_day.day >= snapshot_date, user_day.day < end)
    return horizon.group_by("user_id").aggregate(
        future_spend=horizon.spend.sum(), purchased=(horizon.units_bought > 0).any()
    )


def _population(rows: Mapping[str, ir.Table], population: str) -> ir.Table:
    buyers = rows["user_day"].filter(lambda day: day.bought).select("user_id").distinct()
    if population == "buyers":
        return buyers
    known = buyers  # without users and events nobody is known but for orders
    if "users" in rows:
        users = rows["users"]
        if "registered_days_ago" in users.columns:
            # a version without a date of its own holds always, but nobody is known before registering
            users = users.filter(users.registered_at.isnull() | users.registered_days_ago.notnull())
        known = known.union(users.select("user_id"))
    if "user_visit" in rows:
        known = known.union(rows["user_visit"].select("user_id"))
    return known.distinct().anti_join(buyers, "user_id")


def _computed(rows: ir.Table, features: Sequence[Feature]) -> ir.Table:
    values = {
        feature.name: feature.expression(Days(rows, feature.window_days) if feature.table in DAYS else rows)
        for feature in features
    }
    if features and features[0].table == "users":
        return rows.select("user_id", **values)
    return rows.group_by("user_id").aggregate(**values)


def _with_default(result: ir.Table, feature: Feature) -> ir.Value:
    value = result[feature.name]
    if feature.kind == "number":
        value = value.cast("float64")
    return value if feature.default is None else value.fill_null(feature.default)


def _user_days(user_day: ir.Table, snapshot_date: date) -> ir.Table:
    """Days before the snapshot with their age in days; 1 is the day before.

    Columns about purchases are null on a day on which the user only returned: `purchase` (1), `purchase_age_days`,
    `purchase_spend`, `gap_days` (since the purchase day before), `is_weekend` and `is_month_start` (0 or 1).
    """
    past = user_day.filter(user_day.day < snapshot_date)
    past = past.mutate(
        age_days=ibis.literal(snapshot_date).delta(past.day, unit="day").cast("float64"), bought=past.units_bought > 0
    )
    purchases = ibis.window(group_by=["user_id", "bought"], order_by="day")
    about_purchases = {
        "purchase": ibis.literal(1.0),
        "purchase_age_days": past.age_days,
        "purchase_spend": past.spend,
        "gap_days": past.age_days.lag().over(purchases) - past.age_days,
        "is_weekend": (past.day.day_of_week.index() >= SATURDAY).cast("float64"),
        "is_month_start": (past.day.day() <= MONTH_START_DAYS).cast("float64"),
    }
    null = ibis.null("float64")
    return past.mutate(**{name: ibis.ifelse(past.bought, value, null) for name, value in about_purchases.items()})


def _user_categories(user_category_day: ir.Table, snapshot_date: date, *measures: str) -> ir.Table:
    """One row per user and category with the measures in each of the windows before the snapshot."""
    start = snapshot_date - timedelta(days=max(CATEGORY_WINDOWS_DAYS))
    recent = user_category_day.filter(user_category_day.day >= start, user_category_day.day < snapshot_date)
    sums = {
        f"{measure}_{window}d": recent[measure]
        .sum(where=recent.day >= snapshot_date - timedelta(days=window))
        .fill_null(0)
        for measure in measures
        for window in CATEGORY_WINDOWS_DAYS
    }
    return recent.group_by(["user_id", "category"]).aggregate(**sums)


def _users(users: ir.Table, snapshot_date: date) -> ir.Table:
    """Each user's attributes in the newest version from before the snapshot.

    `registered_days_ago` is null for who registers on the snapshot or later, which a version without a date may tell.
    """
    known = users.filter(users.valid_from < snapshot_date).drop("day")
    newest = periods(known, "user_id").filter(lambda version: version.valid_until.isnull())
    if "registered_at" not in newest.columns:
        return newest
    days = ibis.literal(snapshot_date).delta(newest.registered_at.date(), unit="day").cast("float64")
    return newest.mutate(registered_days_ago=ibis.ifelse(days > 0, days, ibis.null("float64")))
