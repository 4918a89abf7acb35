"""Order lines that look repeated: an order's total on each of its lines, and equal lines of two files."""

from collections.abc import Collection, Iterator
from datetime import date

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from pipelines.lake import tables
from pipelines.settings import Settings

MIN_ORDERS, SHARE_OF_ORDERS = 20, 0.9
"""Orders of several products that must be there, and the share of them with one amount on every line."""

SHARE_OF_AMOUNTS, MANY_AMOUNTS = 0.2, 50
"""Different amounts that such orders must have, per order and at most: with few prices, equal ones say nothing."""

SAME_LINE = ("order_id", "product_id", "user_id", "ordered_at", "quantity", "amount")
"""Columns by which two rows are the same line, whatever its number."""


def repeats(settings: Settings, connection: Backend, days: Collection[date]) -> Iterator[str]:
    """Warn of repeated amounts and lines among the orders of some days, with the money at stake."""
    if days:
        lines = tables.read(connection, settings, "raw/order_lines")
        yield from _totals(lines.filter(lines.day.isin(sorted(days)), lines.amount > 0))
        staged = tables.read(connection, settings, "staging/order_lines")
        yield from _overlaps(staged.filter(staged.day.isin(sorted(days)), staged.fault.isnull(), staged.amount > 0))


def _totals(lines: ir.Table) -> Iterator[str]:
    """Orders with one amount on every line: it may be the order's total."""
    orders = lines.group_by("order_id").aggregate(
        total=lines.amount.sum(), least=lines.amount.min(), most=lines.amount.max(), products=lines.product_id.nunique()
    )
    several = orders.filter(orders.products > 1)
    same = several.least == several.most
    found = several.aggregate(
        orders=several.count(),
        equal=same.sum().fill_null(0),
        amounts=several.most.nunique(where=same),
        extra=(several.total - several.most).sum(where=same),
    )
    (count,) = found.to_pyarrow().to_pylist()
    equal = count["equal"]
    enough = count["orders"] >= MIN_ORDERS and equal >= SHARE_OF_ORDERS * count["orders"]
    if enough and count["amounts"] >= min(SHARE_OF_AMOUNTS * equal, MANY_AMOUNTS):
        yield (
            f"order_lines: {equal:,} of {count['orders']:,} orders of several products have one amount on every line: "
            f"is it the order's total? Then {count['extra']:,.2f} are counted too often. Give the line's own amount, "
            "such as quantity * price, or divide the total by the number of the order's lines"
        )


def _overlaps(lines: ir.Table) -> Iterator[str]:
    """Lines of one order that stand in several files, under different numbers: they count as often."""
    files = lines.group_by("order_id").having(lines.source_file.min() < lines.source_file.max())
    suspects = lines.semi_join(files.aggregate(rows=lines.count()), "order_id")
    # rows with one number are copies: the rule first_of_its_key keeps the first
    kept = suspects.group_by([*SAME_LINE, "line"]).aggregate(source_file=suspects.source_file.min())
    by_file = kept.group_by([*SAME_LINE, "source_file"]).aggregate(rows=kept.count(), money=kept.amount.sum())
    same = by_file.group_by([*SAME_LINE]).aggregate(
        rows=by_file.rows.sum() - by_file.rows.max(), money=by_file.money.sum() - by_file.money.max()
    )
    (found,) = same.aggregate(rows=same.rows.sum().fill_null(0), money=same.money.sum()).to_pyarrow().to_pylist()
    if found["rows"]:
        yield (
            f"order_lines: {found['rows']:,} lines stand in two files with another line number, worth "
            f"{found['money']:,.2f}: do the exports overlap? Number lines within their order ('line'), so that a "
            "copy has the same key"
        )
