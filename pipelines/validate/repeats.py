"""Order lines that look repeated: an order's total on each of its lines, and equal lines of two files."""

from collections.abc import Collection, Iterator
from datetime import date

from ibis.backends.duckdb import Backend

from pipelines.lake import tables
from pipelines.settings import Settings

MIN_ORDERS, SHARE_OF_ORDERS = 20, 0.9
"""Orders of several products that must be there, and the share of them with one amount on every line."""

SAME_LINE = ("order_id", "product_id", "user_id", "ordered_at", "quantity", "amount")
"""Columns by which two rows are the same line, whatever its number."""

MIN_AMOUNTS = 5
"""Different amounts of such orders: in a shop with one price, equal amounts say nothing."""


def repeats(settings: Settings, connection: Backend, days: Collection[date]) -> Iterator[str]:
    """Warn of repeated amounts and lines among the validated orders of some days, with the money at stake."""
    if not days or not tables.exists(settings, "raw/order_lines"):
        return
    lines = tables.read(connection, settings, "raw/order_lines")
    lines = lines.filter(lines.day.isin(sorted(days)), lines.amount > 0)
    orders = lines.group_by("order_id").aggregate(
        total=lines.amount.sum(),
        least=lines.amount.min(),
        most=lines.amount.max(),
        same_price=(lines.unit_price * lines.quantity - lines.amount).abs().max() < 0.005 * lines.amount.max(),
        products=lines.product_id.nunique(),
    )
    several = orders.filter(orders.products > 1)
    same = several.least == several.most
    count, equal, amounts, extra = (
        several.aggregate(
            count=several.count(),
            equal=same.sum(),
            amounts=several.most.nunique(where=same & ~several.same_price),
            extra=(several.total - several.most).sum(where=same & ~several.same_price),
        )
        .to_pyarrow()
        .to_pylist()[0]
        .values()
    )
    if count >= MIN_ORDERS and equal >= SHARE_OF_ORDERS * count and amounts >= MIN_AMOUNTS:
        yield (
            f"order_lines: {equal:,} of {count:,} orders of several products have one amount on every line, which is "
            f"neither line's price: is it the order's total? Then {extra:,.2f} are counted too often. Give the line's "
            "own amount, such as quantity * price"
        )
    staged = tables.read(connection, settings, "staging/order_lines")
    staged = staged.filter(staged.day.isin(sorted(days)), staged.amount > 0, staged.fault.isnull())
    copies = staged.group_by([*SAME_LINE]).aggregate(
        files=staged.source_file.nunique(), lines=staged.line.nunique(), money=staged.amount.sum() - staged.amount.max()
    )
    twice = copies.filter(copies.files > 1, copies.lines > 1)
    found = twice.aggregate(rows=(twice.lines - 1).sum().fill_null(0), money=twice.money.sum()).to_pyarrow().to_pylist()
    if found[0]["rows"]:
        yield (
            f"order_lines: {found[0]['rows']:,} lines stand in two files with another line number, worth "
            f"{found[0]['money']:,.2f}: do the exports overlap? Number lines within their order ('line'), so that a "
            "copy has the same key"
        )
