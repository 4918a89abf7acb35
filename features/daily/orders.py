"""The first stage: the order log reduced to one row per user and day, and per user, category and day.

Every row depends on the user's own rows of the day, on what was known of products by then and, for the prices, on the
shop's 28 days before it. So a day that is written stays right until a late row reopens it and, for the prices, the 28
days after it (`pipelines.daily`), and today's row of a user can be told while the day is not over.
"""

import ibis
import ibis.expr.types as ir

SMALLEST_SPREAD = 1e-4
"""Below it the log prices of a category do not differ but for rounding, which would decide the price level."""

PRICE_REFERENCE_DAYS = 28
"""Prices are compared with those of the same category in so many days before the line's own day."""

PRODUCT_ATTRIBUTES = {"category": "string", "list_price": "float64"}
"""What the first stage reads of products, and its types."""


def product_versions(products: ir.Table) -> ir.Table:
    """Products as periods in which category and list price held, see `periods`; what the source lacks is null."""
    absent = {name: ibis.null(kind) for name, kind in PRODUCT_ATTRIBUTES.items() if name not in products.columns}
    return periods(products.mutate(**absent).select("product_id", "valid_from", *PRODUCT_ATTRIBUTES), "product_id")


def categorised_lines(order_lines: ir.Table, versions: ir.Table | None) -> ir.Table:
    """Order lines with the `category` of their product that held at the time; `versions` are `product_versions`.

    Columns that the source lacks are added as nulls, so that one query serves every source.
    """
    for column in ("discount", "unit_cost"):
        if column not in order_lines.columns:
            order_lines = order_lines.mutate(**{column: ibis.null("float64")})
    return with_products(order_lines, "ordered_at", versions, "category")


def with_products(rows: ir.Table, time: str, versions: ir.Table | None, *attributes: str) -> ir.Table:
    """The rows of a log with attributes of their product that held at the row's `time`; null without `versions`."""
    if versions is None:
        return rows.mutate(**{name: ibis.null(PRODUCT_ATTRIBUTES[name]) for name in attributes})
    valid = [
        rows.product_id == versions.product_id,
        rows[time] >= versions.valid_from,
        versions.valid_until.isnull() | (rows[time] < versions.valid_until),
    ]
    return rows.left_join(versions, valid).select(*rows.columns, *attributes)


def periods(versions: ir.Table, key: str) -> ir.Table:
    """Versions of users or products as periods `[valid_from, valid_until)`; unchanged versions are merged.

    Of two versions from the same moment the one that sorts last holds.
    """
    attributes = [c for c in versions.columns if c not in (key, "valid_from")]
    latest = versions.group_by([key, "valid_from"]).aggregate(**{a: versions[a].max() for a in attributes})
    history = ibis.window(group_by=key, order_by="valid_from")
    changed = [~latest[a].identical_to(latest[a].lag().over(history)) for a in attributes]
    first = latest.valid_from.lag().over(history).isnull()
    starts = latest.mutate(starts=ibis.or_(first, *changed)).filter(lambda t: t.starts).drop("starts")
    return starts.mutate(valid_until=starts.valid_from.lead().over(history))


def user_day(lines: ir.Table, prices: ir.Table) -> ir.Table:
    """One row per user and day: sums that windows add up.

    A return has the id of the order that it takes back: `orders` counts those of which something was bought that day.

    Args:
        lines: from `categorised_lines`.
        prices: of the 28 days before each day of the lines, from `category_prices`.
    """
    priced = price_levels(_log_prices(lines), prices, "price_level")
    gross, refund = priced.amount.clip(lower=0), (-priced.amount).clip(lower=0)
    return priced.group_by(["user_id", "day"]).aggregate(
        orders=priced.order_id.nunique(where=priced.quantity > 0).cast("float64"),
        lines=priced.count().cast("float64"),
        products=priced.product_id.nunique().cast("float64"),
        units=priced.quantity.sum(),
        units_bought=priced.quantity.clip(lower=0).sum(),
        spend=priced.amount.sum(),
        gross_spend=gross.sum(),
        refunds=refund.sum(),
        largest_line=priced.amount.max(),
        discount=priced.discount.sum(),
        cost=(priced.unit_cost * priced.quantity).sum(),
        price_level=priced.price_level.sum(),
        price_level_lines=priced.price_level.count().cast("float64"),
    )


def user_category_day(lines: ir.Table) -> ir.Table:
    """One row per user, category and day; lines without a category are one category together."""
    lines = lines.mutate(category=lines.category.fill_null("missing"))
    return lines.group_by(["user_id", "category", "day"]).aggregate(
        units=lines.quantity.clip(lower=0).sum(), spend=lines.amount.clip(lower=0).sum()
    )


def category_prices(lines: ir.Table) -> ir.Table:
    """One row per category and day with a purchase: `n`, `total` and `squares` of the log unit prices.

    `lines` come from `categorised_lines`; returns and lines without a price or category do not count.
    """
    lines = _log_prices(lines)
    priced = lines.filter(lines.log_price.notnull())
    return priced.group_by(["category", "day"]).aggregate(
        n=priced.count().cast("float64"), total=priced.log_price.sum(), squares=(priced.log_price**2).sum()
    )


def price_levels(rows: ir.Table, prices: ir.Table, name: str) -> ir.Table:
    """Add a price level: the z-score of `log_price` among the category's purchases of the 28 days before the row's day.

    Null where `log_price` is null, nothing of the category was bought on those days, or its prices did not differ.

    Args:
        rows: with `category`, `day` and `log_price`.
        prices: of those days, from `category_prices`.
        name: of the column.
    """
    joined = rows.left_join(_price_reference(prices), ["category", "day"])
    return joined.select(*rows.columns, **{name: (joined.log_price - joined["mean"]) / joined.spread})


def _log_prices(lines: ir.Table) -> ir.Table:
    """Add `log_price`: the log unit price of a purchase; null for returns and lines without a price or category."""
    bought = (lines.quantity > 0) & (lines.unit_price > 0) & lines.category.notnull()
    return lines.mutate(log_price=ibis.ifelse(bought, lines.unit_price, ibis.null("float64")).ln())


def _price_reference(prices: ir.Table) -> ir.Table:
    """`mean` and `spread` of each category's log prices in the 28 days before a `day`, of all days that can have any.

    Which of them the rows ask for is not looked up: that would read the whole log twice.
    """
    dated = prices.select("day").distinct()
    later = dated.mutate(after=ibis.range(1, PRICE_REFERENCE_DAYS + 1).unnest())
    days = later.select(day=(later.day + later.after.as_interval("D")).cast(prices.day.type())).distinct()
    every = prices.select("category").distinct().cross_join(days)
    quiet = every.anti_join(prices, ["category", "day"])
    daily = prices.union(quiet.mutate(n=0.0, total=0.0, squares=0.0).select(*prices.columns))
    before = ibis.window(
        group_by="category",
        order_by="day",
        between=(-ibis.interval(days=PRICE_REFERENCE_DAYS), -ibis.interval(days=1)),
    )
    sums = daily.select("category", "day", **{c: daily[c].sum().over(before) for c in ("n", "total", "squares")})
    n = sums.n.nullif(0)
    mean = sums.total / n
    spread = (sums.squares / n - mean**2).clip(lower=0).sqrt()
    return sums.select(
        "category", "day", mean=mean, spread=ibis.ifelse(spread > SMALLEST_SPREAD, spread, ibis.null("float64"))
    )
