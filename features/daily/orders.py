"""First stage: reduce the order log to one row per user and day, and per user, category and day.

A row depends on the user's own lines of the day and on the product versions that held then; its price level also
depends on the shop's purchases of the 28 days before. A stored day therefore stays right until a late line arrives for
it: `pipelines.build_features` then reopens that day and, for the price levels, the 28 days after it. Today's row of a
user can be computed before the day is over.
"""

import ibis
import ibis.expr.types as ir

from features.exact import exact_sum
from features.schema import MISSING

SMALLEST_SPREAD = 1e-4
"""Standard deviation of log prices below which a category has no price level: its prices differ by rounding only."""

PRICE_REFERENCE_DAYS = 28
"""Days before a line whose purchases in the same category its price is compared with."""

PRODUCT_ATTRIBUTES = {"category": "string", "list_price": "float64"}
"""Product attributes that the first stage reads, with their types."""


def product_versions(products: ir.Table) -> ir.Table:
    """Turn product versions into periods with one category and list price, see `periods`.

    >>> products = ibis.memtable({"product_id": ["a"], "valid_from": [0], "category": ["x"]})
    >>> product_versions(products).execute()[["product_id", "valid_from", "category", "list_price"]].values.tolist()
    [['a', 0, 'x', nan]]

    Args:
        products: the canonical table `products`; an attribute that the source lacks is null.
    """
    absent = {name: ibis.null(kind) for name, kind in PRODUCT_ATTRIBUTES.items() if name not in products.columns}
    return periods(products.mutate(**absent).select("product_id", "valid_from", *PRODUCT_ATTRIBUTES), "product_id")


def categorised_lines(order_lines: ir.Table, versions: ir.Table | None) -> ir.Table:
    """Add the product's `category` at the time of each order line.

    Columns that the source lacks are added as nulls, so that one query serves every source.

    >>> categorised_lines(ibis.memtable({"order_id": ["o"], "discount": [1.0]}), versions=None).columns
    ('order_id', 'discount', 'unit_cost', 'category')

    Args:
        order_lines: the canonical table `order_lines`.
        versions: from `product_versions`; None: the category is null.
    """
    for column in ("discount", "unit_cost"):
        if column not in order_lines.columns:
            order_lines = order_lines.mutate(**{column: ibis.null("float64")})
    return with_products(order_lines, "ordered_at", versions, "category")


def with_products(rows: ir.Table, time: str, versions: ir.Table | None, *attributes: str) -> ir.Table:
    """Add attributes of the product that held at the time of each row.

    >>> versions = {"product_id": ["a", "a"], "valid_from": [0, 5], "category": ["x", "y"]}
    >>> versions = product_versions(ibis.memtable(versions))
    >>> rows = ibis.memtable({"product_id": ["a", "a"], "at": [4, 5]})
    >>> with_products(rows, "at", versions, "category").order_by("at").execute()["category"].tolist()
    ['x', 'y']

    Args:
        rows: of a log, with `product_id`.
        time: column with the time of a row.
        versions: from `product_versions`; None: the attributes are null.
        attributes: names in `PRODUCT_ATTRIBUTES`.
    """
    if versions is None:
        return rows.mutate(**{name: ibis.null(PRODUCT_ATTRIBUTES[name]) for name in attributes})
    valid = [
        rows.product_id == versions.product_id,
        rows[time] >= versions.valid_from,
        versions.valid_until.isnull() | (rows[time] < versions.valid_until),
    ]
    return rows.left_join(versions, valid).select(*rows.columns, *attributes)


def periods(versions: ir.Table, key: str) -> ir.Table:
    """Turn versions of users or products into periods `[valid_from, valid_until)`; merge versions without a change.

    Attributes of versions from the same moment are merged by their maximum.

    >>> versions = ibis.memtable({"user_id": ["u"] * 3, "valid_from": [1, 2, 3], "region": ["n", "n", "s"]})
    >>> periods(versions, "user_id").order_by("valid_from").execute()[["valid_from", "region"]].values.tolist()
    [[1, 'n'], [3, 's']]

    Args:
        versions: with `key`, `valid_from` and attributes.
        key: column that identifies the user or product.

    Returns:
        The columns of `versions` and `valid_until`, exclusive; null for the newest period.
    """
    attributes = [c for c in versions.columns if c not in (key, "valid_from")]
    latest = versions.group_by([key, "valid_from"]).aggregate(**{a: versions[a].max() for a in attributes})
    history = ibis.window(group_by=key, order_by="valid_from")
    changed = [~latest[a].identical_to(latest[a].lag().over(history)) for a in attributes]
    first = latest.valid_from.lag().over(history).isnull()
    starts = latest.mutate(starts=ibis.or_(first, *changed)).filter(lambda t: t.starts).drop("starts")
    return starts.mutate(valid_until=starts.valid_from.lead().over(history))


def user_day(lines: ir.Table, prices: ir.Table) -> ir.Table:
    """Reduce order lines to one row per user and day, with the sums that windows add up.

    A return carries the id of the order that it takes back, so `orders` counts only orders with a purchase that day.

    >>> from datetime import date
    >>> ids = {"user_id": ["u", "u"], "order_id": ["o", "p"], "product_id": ["a", "a"], "day": [date(2024, 1, 1)] * 2}
    >>> lines = ibis.memtable(ids | {"quantity": [2.0, -1.0], "unit_price": [5.0, 5.0], "amount": [10.0, -5.0]})
    >>> lines = categorised_lines(lines, versions=None)
    >>> user_day(lines, category_prices(lines)).execute()[["orders", "spend", "refunds"]].values.tolist()
    [[1.0, 5.0, 5.0]]

    Args:
        lines: from `categorised_lines`.
        prices: from `category_prices`, of the 28 days before each day of the lines.

    Returns:
        `user_id`, `day`, counts (`orders`, `lines`, `products`), units (`units` is net of returns, `units_bought` is
        not), money (`spend` is net of returns; `gross_spend`, `refunds`, `largest_line`, `discount`, `cost`), and
        `price_level`, the sum of the price levels of `price_level_lines` lines (standard deviations).
    """
    priced = price_levels(_log_prices(lines), prices, "price_level")
    gross, refund = priced.amount.clip(lower=0), (-priced.amount).clip(lower=0)
    return priced.group_by(["user_id", "day"]).aggregate(
        orders=priced.order_id.nunique(where=priced.quantity > 0).cast("float64"),
        lines=priced.count().cast("float64"),
        products=priced.product_id.nunique().cast("float64"),
        units=exact_sum(priced.quantity),
        units_bought=exact_sum(priced.quantity.clip(lower=0)),
        spend=exact_sum(priced.amount),
        gross_spend=exact_sum(gross),
        refunds=exact_sum(refund),
        largest_line=priced.amount.max(),
        discount=exact_sum(priced.discount),
        cost=exact_sum(priced.unit_cost * priced.quantity, places=6),
        price_level=exact_sum(priced.price_level),
        price_level_lines=priced.price_level.count().cast("float64"),
    )


def user_category_day(lines: ir.Table) -> ir.Table:
    """Add up `units` and `spend` bought per user, category and day; returns are not subtracted.

    Lines without a category share one category.

    >>> lines = {"user_id": ["u", "u"], "category": ["x", "x"], "day": [1, 1]}
    >>> lines = ibis.memtable(lines | {"quantity": [2.0, -1.0], "amount": [10.0, -5.0]})
    >>> user_category_day(lines).execute()[["category", "units", "spend"]].values.tolist()
    [['x', 2.0, 10.0]]

    Args:
        lines: from `categorised_lines`.
    """
    lines = lines.mutate(category=lines.category.fill_null(MISSING))
    return lines.group_by(["user_id", "category", "day"]).aggregate(
        units=exact_sum(lines.quantity.clip(lower=0)), spend=exact_sum(lines.amount.clip(lower=0))
    )


def category_prices(lines: ir.Table) -> ir.Table:
    """Add up the log unit prices of purchases per category and day: `n`, `total` and `squares`.

    >>> lines = {"category": ["x", "x"], "day": [1, 1], "quantity": [1.0, 1.0], "unit_price": [1.0, 1.0]}
    >>> category_prices(ibis.memtable(lines)).execute().values.tolist()
    [['x', 1, 2.0, 0.0, 0.0]]

    Args:
        lines: from `categorised_lines`; returns and lines without a price or category are ignored.
    """
    lines = _log_prices(lines)
    priced = lines.filter(lines.log_price.notnull())
    return priced.group_by(["category", "day"]).aggregate(
        n=priced.count().cast("float64"),
        total=exact_sum(priced.log_price, places=15),
        squares=exact_sum(priced.log_price**2, places=15),
    )


def price_levels(rows: ir.Table, prices: ir.Table, name: str) -> ir.Table:
    """Add a price level: z-score of `log_price` among the category's purchases of the 28 days before the row's day.

    The level is null where `log_price` is null, the category had no purchase on those days, or all had one price.

    >>> from datetime import date
    >>> prices = {"category": ["x"], "day": [date(2024, 1, 1)], "n": [2.0], "total": [2.0], "squares": [4.0]}
    >>> rows = ibis.memtable({"category": ["x"], "day": [date(2024, 1, 2)], "log_price": [3.0]})
    >>> price_levels(rows, ibis.memtable(prices), "level").execute()["level"].tolist()
    [2.0]

    Args:
        rows: with `category`, `day` and `log_price`.
        prices: from `category_prices`, of those days.
        name: name of the new column, in standard deviations.
    """
    joined = rows.left_join(_price_reference(prices), ["category", "day"])
    return joined.select(*rows.columns, **{name: (joined.log_price - joined["mean"]) / joined.spread})


def _log_prices(lines: ir.Table) -> ir.Table:
    """Add `log_price`, the log unit price of a purchase; null for returns and lines without a price or category."""
    bought = (lines.quantity > 0) & (lines.unit_price > 0) & lines.category.notnull()
    return lines.mutate(log_price=ibis.ifelse(bought, lines.unit_price, ibis.null("float64")).ln())


def _price_reference(prices: ir.Table) -> ir.Table:
    """Mean and standard deviation (`spread`) of each category's log prices in the 28 days before every possible day.

    All days are computed, also those that no row needs: looking up the needed ones would read the whole log twice.
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
    added = {name: exact_sum(daily[name], places=15).over(before) for name in ("n", "total", "squares")}
    sums = daily.select("category", "day", **added)
    n = sums.n.nullif(0)
    mean = sums.total / n
    spread = (sums.squares / n - mean**2).clip(lower=0).sqrt()
    return sums.select(
        "category", "day", mean=mean, spread=ibis.ifelse(spread > SMALLEST_SPREAD, spread, ibis.null("float64"))
    )
