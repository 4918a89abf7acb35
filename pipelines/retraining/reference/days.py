"""Summaries per day and measure from the daily tables, computed where the rows are.

Windows of weeks move slowly; measures of single days show a change at once.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np

from features.daily.tables import USER_CATEGORY_DAY, USER_DAY, USER_EVENT_CATEGORY_DAY, USER_EVENT_DAY
from features.feature import ratio
from models.measures.drift import POINTS, Summary, summarise_counts
from pipelines.lake import tables
from pipelines.lake.rows import between
from pipelines.settings import Settings

PRICE_DAYS = 28
"""Days before a line whose prices of the same product it is compared with."""


class Measure(NamedTuple):
    """A measure of a user's day, the columns that it needs, and whether campaigns and seasons move it."""

    needs: tuple[str, ...]
    expression: Callable[[ir.Table], ir.Value]
    seasonal: bool = False


Numbers = Mapping[str, Measure]
NUMBERS: Mapping[str, Numbers] = {
    USER_DAY.name: {
        "spend": Measure(("spend",), lambda day: day.spend),
        "lines": Measure(("lines",), lambda day: day.lines),
        "spend_per_unit": Measure(
            ("gross_spend", "units_bought"), lambda day: ratio(day.gross_spend, day.units_bought)
        ),
        "discount_rate": Measure(
            ("discount", "gross_spend"), lambda day: ratio(day.discount, day.gross_spend + day.discount), seasonal=True
        ),
        "price_level": Measure(
            ("price_level", "price_level_lines"), lambda day: ratio(day.price_level, day.price_level_lines)
        ),
    },
    USER_EVENT_DAY.name: {
        "views": Measure(("views",), lambda day: day.views),
        "searches": Measure(("searches",), lambda day: day.searches),
        "carts": Measure(("carts",), lambda day: day.carts),
        "dwell_per_view": Measure(("dwell_seconds", "views"), lambda day: ratio(day.dwell_seconds, day.views)),
    },
}
"""Measures of a user's day by daily table; a measure without its columns is left out."""

SEASONAL = frozenset(name for numbers in NUMBERS.values() for name, measure in numbers.items() if measure.seasonal)
"""Measures whose values follow the shop's own campaigns."""

COUNTED = {USER_DAY.name: "orders", USER_EVENT_DAY.name: "events"}
"""Daily tables whose rows, users with an order or an event, are counted by day."""

SHARES = {
    USER_CATEGORY_DAY.name: ("units_by_category", "units"),
    USER_EVENT_CATEGORY_DAY.name: ("views_by_category", "views"),
}
"""Name and column of the quantity split by category, by daily table."""

PRICE_CHANGE = Measure(("price_change",), lambda line: line.price_change)

Days = dict[str, dict[date, Summary]]


def summarise_days(settings: Settings, start: date, end: date) -> Days:
    """Summarise each measure of the days with `start <= day < end`; days without rows are absent."""
    connection, found = tables.connect(), Days()
    for name, numbers in NUMBERS.items():
        if tables.exists(settings, name):
            found |= of_numbers(between(tables.read(connection, settings, name), start, end), numbers)
    for name, (measure, column) in SHARES.items():
        if tables.exists(settings, name):
            found |= of_shares(between(tables.read(connection, settings, name), start, end), measure, column)
    orders = tables.read(connection, settings, "raw/order_lines")
    lines = between(orders, start - timedelta(days=PRICE_DAYS), end)
    if {"product_id", "unit_price", "quantity"} <= set(lines.columns):
        changes = price_changes(lines)
        found |= of_numbers(changes.filter(changes.day >= start), {"price_change": PRICE_CHANGE})
    return found


def count_days(settings: Settings, start: date, end: date) -> dict[str, dict[date, int]]:
    """Count the users with an order and with an event on each day with `start <= day < end`; absent days have none."""
    connection, counts = tables.connect(), {}
    for table, name in COUNTED.items():
        if tables.exists(settings, table):
            rows = between(tables.read(connection, settings, table), start, end)
            by_day = rows.group_by("day").aggregate(users=rows.count()).to_pyarrow().to_pylist()
            counts[name] = {row["day"]: int(row["users"]) for row in by_day}
    return counts


def of_numbers(rows: ir.Table, numbers: Numbers) -> Days:
    """Summarise numeric measures of rows with a column `day`."""
    points = np.linspace(0, 1, POINTS).tolist()
    found = Days()
    for name, measure in numbers.items():
        if not set(measure.needs) <= set(rows.columns):
            continue
        value = measure.expression(rows).cast("float64")
        finite = ~(value.isnan() | value.isinf())
        known = rows.select("day", value=ibis.ifelse(finite, value, ibis.null("float64")))
        by_day = known.group_by("day").aggregate(
            rows=known.count(), known=known.value.count(), grid=known.value.quantile(points)
        )
        found[name] = {
            row["day"]: Summary(row["rows"], 1 - row["known"] / row["rows"], row["grid"] if row["known"] else ())
            for row in by_day.to_pyarrow().to_pylist()
        }
    return found


def of_shares(rows: ir.Table, measure: str, column: str) -> Days:
    """Summarise shares by category."""
    counted = rows.group_by(["day", "category"]).aggregate(count=rows[column].sum())
    by_day: dict[date, dict[str, float]] = {}
    for row in counted.to_pyarrow().to_pylist():
        by_day.setdefault(row["day"], {})[row["category"]] = max(row["count"] or 0.0, 0.0)
    return {measure: {day: summarise_counts(counts) for day, counts in by_day.items()}}


def price_changes(lines: ir.Table) -> ir.Table:
    """Compute `day` and `price_change`: log unit price minus the product's mean over the 28 days before.

    The price is the one before the discount, where there is a column of discounts: a sale is no change of prices. Only
    purchases with a price count, and new products are left out. A matched comparison needs few lines, because it does
    not depend on the mix of products (price relatives of the Jevons index).
    """
    priced = lines.filter(lines.quantity > 0, lines.unit_price > 0)
    price = priced.unit_price.cast("float64")
    if "discount" in lines.columns:
        price += priced.discount.cast("float64").fill_null(0).clip(lower=0) / priced.quantity.cast("float64")
    priced = priced.select("product_id", "day", log_price=price.ln())
    daily = priced.group_by(["product_id", "day"]).aggregate(
        total=priced.log_price.sum(), n=priced.count().cast("float64")
    )
    before = ibis.window(
        group_by="product_id",
        order_by="day",
        preceding=(ibis.interval(days=PRICE_DAYS), ibis.interval(days=1)),
    )
    means = daily.select("product_id", "day", mean=daily.total.sum().over(before) / daily.n.sum().over(before))
    joined = priced.join(means.filter(means["mean"].notnull()), ["product_id", "day"])
    return joined.select("day", price_change=joined.log_price - joined["mean"])
