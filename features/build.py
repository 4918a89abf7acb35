"""Second stage: features of every user at a snapshot, and labels, from the daily tables. All expressions are lazy."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from features import sequences
from features.daily.orders import periods
from features.daily.tables import USER_CATEGORY_DAY, USER_DAY, USER_EVENT_CATEGORY_DAY, USER_EVENT_DAY
from features.days import Days
from features.exact import exact_sum, rounded
from features.feature import CATEGORY_WINDOWS_DAYS, Feature
from features.schema import USERS
from features.visits import user_visits

SATURDAY = 5
MONTH_START_DAYS = 10

TABLES_OF_DAYS = ("user_day", "user_visit")
"""Tables of the second stage with one row per day; expressions take them as `Days`."""


def build(
    tables: Mapping[str, ir.Table],
    snapshot_date: date,
    features: Sequence[Feature],
    channels: Sequence[sequences.Channel] = (),
    population: Literal["buyers", "without_orders"] = "buyers",
) -> ir.Table:
    """Compute features: one row per user of the population, with `user_id`, features and channels in order.

    >>> from features.daily.orders import categorised_lines, category_prices, user_day
    >>> from features.definitions import BY_NAME
    >>> order = {"user_id": ["u"], "order_id": ["o"], "product_id": ["a"], "day": [date(2024, 2, 20)]}
    >>> lines = ibis.memtable(order | {"quantity": [2.0], "unit_price": [5.0], "amount": [10.0]})
    >>> lines = categorised_lines(lines, versions=None)
    >>> tables = {"user_day": user_day(lines, category_prices(lines))}
    >>> wanted = [BY_NAME["spend_28d"], BY_NAME["days_since_last_order"], BY_NAME["gap_mean"]]
    >>> build(tables, date(2024, 3, 1), wanted).execute().values.tolist()
    [['u', 10.0, 10.0, nan]]

    Args:
        tables: the daily tables by name (`user_day`; the others where a feature needs them) and `users`.
        snapshot_date: rows of this day and later are ignored.
        features: features to compute, see `features.definitions.available`.
        channels: lists of the user's last actions to add, see `features.sequences.available`.
        population: "buyers" have a purchase before the snapshot; "without_orders" have none, but are in `users` or
            have an event before it.

    Returns:
        Numbers as float64 with nine significant digits, categories as strings; a missing value is the feature's
        default. The order of the rows does not change a bit of it.

    Raises:
        KeyError: a feature reads a table that is not in `tables`.
    """
    rows = {"user_day": _user_days(tables[USER_DAY.name], snapshot_date)}
    if USER_CATEGORY_DAY.name in tables:
        rows["user_category"] = _user_categories(tables[USER_CATEGORY_DAY.name], snapshot_date, "units", "spend")
    if USER_EVENT_DAY.name in tables:
        rows["user_visit"] = user_visits(tables[USER_EVENT_DAY.name], rows["user_day"], snapshot_date)
    if USER_EVENT_CATEGORY_DAY.name in tables:
        rows["user_viewed_category"] = _user_categories(tables[USER_EVENT_CATEGORY_DAY.name], snapshot_date, "views")
    if USERS.name in tables:
        rows["users"] = _users(tables[USERS.name], snapshot_date)
    result = _population(rows, population)
    for table in dict.fromkeys(feature.table for feature in features):
        wanted = [feature for feature in features if feature.table == table]
        result = result.left_join(_computed(rows[table], wanted), "user_id", rname="{name}_right")
    if channels:
        events = tables.get(USER_EVENT_DAY.name)
        actions = sequences.build(tables[USER_DAY.name], snapshot_date, channels, events=events)
        result = result.left_join(actions, "user_id")
    columns = {feature.name: _with_default(result, feature) for feature in features}
    return result.select("user_id", **columns, **{channel.name: result[channel.name] for channel in channels})


def part(tables: Mapping[str, ir.Table], number: int, parts: int) -> dict[str, ir.Table]:
    """Filter tables to one of several parts of the users, of about equal size.

    Computing the parts one after the other needs less memory and gives the same features: no feature reads another
    user's rows.

    >>> tables = {"user_day": ibis.memtable({"user_id": ["u", "v", "w"]})}
    >>> sum(part(tables, number, parts=2)["user_day"].count().execute() for number in range(2))
    3

    Args:
        tables: tables with `user_id`, by name.
        number: which part, `0 <= number < parts`.
        parts: how many parts there are.
    """
    if parts == 1:
        return dict(tables)
    return {name: table.filter(_hash(table.user_id) % parts == number) for name, table in tables.items()}


@ibis.udf.scalar.builtin(name="hash")
def _hash(value: str) -> dt.uint64:
    """Hash by DuckDB's own function, which is faster than Ibis'; it only assigns users to parts."""


def labels(user_day: ir.Table, snapshot_date: date, label_days: int) -> ir.Table:
    """Compute labels: `future_spend` and `purchased` of users with an order line in the label window.

    >>> days = {"user_id": ["u", "v"], "day": [date(2024, 3, 1), date(2024, 3, 8)], "spend": [5.0, 9.0]}
    >>> user_day = ibis.memtable(days | {"units_bought": [1.0, 1.0]})
    >>> labels(user_day, date(2024, 3, 1), label_days=7).execute().values.tolist()
    [['u', 5.0, True]]

    Args:
        user_day: one row per user and day, see `features.daily.orders`.
        snapshot_date: first day of the window.
        label_days: length of the window in days; `snapshot_date + label_days` is outside.

    Returns:
        One row per user: `future_spend` is net of returns, in money; `purchased` is false for a user who only
        returned. Users without a row spent 0 and did not purchase.
    """
    end = snapshot_date + timedelta(days=label_days)
    horizon = user_day.filter(user_day.day >= snapshot_date, user_day.day < end)
    return horizon.group_by("user_id").aggregate(
        future_spend=exact_sum(horizon.spend), purchased=(horizon.units_bought > 0).any()
    )


def _population(rows: Mapping[str, ir.Table], population: str) -> ir.Table:
    buyers = rows["user_day"].filter(lambda day: day.bought).select("user_id").distinct()
    if population == "buyers":
        return buyers
    known = buyers  # without users and events, only orders make a user known
    if "users" in rows:
        users = rows["users"]
        if "registered_days_ago" in users.columns:
            # a version without a date always holds, but no user is known before registering
            users = users.filter(users.registered_at.isnull() | users.registered_days_ago.notnull())
        known = known.union(users.select("user_id"))
    if "user_visit" in rows:
        known = known.union(rows["user_visit"].select("user_id"))
    return known.distinct().anti_join(buyers, "user_id")


def _computed(rows: ir.Table, features: Sequence[Feature]) -> ir.Table:
    values = {
        feature.name: feature.expression(Days(rows, feature.window_days) if feature.table in TABLES_OF_DAYS else rows)
        for feature in features
    }
    if features and features[0].table == "users":
        return rows.select("user_id", **values)
    return rows.group_by("user_id").aggregate(**values)


def _with_default(result: ir.Table, feature: Feature) -> ir.Value:
    value = result[feature.name]
    if feature.kind == "number":
        value = rounded(value)
    return value if feature.default is None else value.fill_null(feature.default)


def _user_days(user_day: ir.Table, snapshot_date: date) -> ir.Table:
    """Days before the snapshot with `age_days` (1 is the day before) and `bought`.

    Columns about purchases are null on days with returns only: `purchase` (1), `purchase_age_days`, `purchase_spend`,
    `gap_days` (since the previous purchase day), `is_weekend` and `is_month_start` (0 or 1).
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
    """One row per user and category, with a sum per measure and window before the snapshot, such as `units_28d`."""
    start = snapshot_date - timedelta(days=max(CATEGORY_WINDOWS_DAYS))
    recent = user_category_day.filter(user_category_day.day >= start, user_category_day.day < snapshot_date)
    sums = {
        f"{measure}_{window}d": exact_sum(
            ibis.ifelse(recent.day >= snapshot_date - timedelta(days=window), recent[measure], 0.0)
        )
        for measure in measures
        for window in CATEGORY_WINDOWS_DAYS
    }
    return recent.group_by(["user_id", "category"]).aggregate(**sums)


def _users(users: ir.Table, snapshot_date: date) -> ir.Table:
    """Attributes of each user in the newest version before the snapshot.

    `registered_days_ago` is null for users who register on the snapshot or later: a version without a date can hold
    a registration in the future.
    """
    known = users.filter(users.valid_from < snapshot_date).drop("day")
    newest = periods(known, "user_id").filter(lambda version: version.valid_until.isnull())
    if "registered_at" not in newest.columns:
        return newest
    days = ibis.literal(snapshot_date).delta(newest.registered_at.date(), unit="day").cast("float64")
    return newest.mutate(registered_days_ago=ibis.ifelse(days > 0, days, ibis.null("float64")))
