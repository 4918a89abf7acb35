"""The features of `benchmarks/feature_building.py` written by hand: DuckDB SQL, Polars and pandas, from the raw files.

Each first reduces the logs to one row per user and day, as Purse does: counting sessions per window costs more.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

FIRST, DAYS = date(2024, 1, 1), 120
SNAPSHOT = FIRST + timedelta(days=DAYS)
WINDOWS, CATEGORY_WINDOWS = (7, 28, 91), (28, 91)
SHORT, LONG = LONG_WINDOWS = (28, 91)
TREND_DAYS = 56
ORDER_WINDOWS, LEVEL_WINDOWS = (7, 14, 28, 56, 91, 182, 364), (28, 91, 364)
COUNTS = {"views": "view", "clicks": "click", "searches": "search", "carts": "cart", "favourites": "favourite"}
TOTALS = ("visit_days", *COUNTS, "dwell", "sessions")
QUOTIENTS = {
    "orders_per_session": ("placed", "sessions"),
    "orders_per_cart": ("placed", "carts"),
    "carts_per_view": ("carts", "views"),
    "searches_per_visit_day": ("searches", "visit_days"),
}
UNKNOWN = ("days_since_last_visit", "views_trend_28d")
NAMES = [
    *(f"{measure}_{window}d" for measure in TOTALS for window in WINDOWS),
    *(f"{name}_{w}d" for name in (*QUOTIENTS, "viewed_price_level", "viewed_price_gap") for w in LONG_WINDOWS),
    *("days_since_last_visit", "views_since_last_order", "carts_since_last_order", "views_trend_28d"),
    *(f"{name}_{w}d" for name in ("viewed_categories", "top_viewed_category_share") for w in CATEGORY_WINDOWS),
    *(f"{measure}_{window}d" for measure in ("purchase_days", "spend", "units") for window in ORDER_WINDOWS),
    *(f"price_level_{window}d" for window in LEVEL_WINDOWS),
    *("days_since_last_order", "purchase_days_total", "spend_total"),
    *(f"categories_{window}d" for window in CATEGORY_WINDOWS),
    "top_category_share_91d",
]
"""All features of behaviour, and those of orders that need the most expensive other columns of the daily tables."""

Files = dict[str, list[str]]


def duckdb_sql(files: Files) -> "pd.DataFrame":
    """Compute all features in one statement."""
    import duckdb

    def within(window: int, value: str, of: str = "sum", also: str = "true") -> str:
        return f"{of}({value}) FILTER (age <= {window} AND {also})"

    seen = [
        *(f"{within(w, m)} AS {m}_{w}d" for m in TOTALS for w in WINDOWS),
        *(
            f"{within(w, 'e.level')} / nullif({within(w, 'levels')}, 0) AS viewed_price_level_{w}d"
            for w in LONG_WINDOWS
        ),
        "min(age) AS days_since_last_visit",
        "sum(views) FILTER (age < last) AS views_since_last_order",
        "sum(carts) FILTER (age < last) AS carts_since_last_order",
        f"coalesce({within(28, 'views')}, 0) / nullif({within(56, 'views')}, 0) AS views_trend_28d",
    ]
    bought = [
        *(f"{within(w, '*', 'count', 'bought')} AS purchase_days_{w}d" for w in ORDER_WINDOWS),
        *(f"{within(w, m)} AS {m}_{w}d" for m in ("spend", "units") for w in ORDER_WINDOWS),
        *(f"{within(w, 'level')} / nullif({within(w, 'levels')}, 0) AS price_level_{w}d" for w in LEVEL_WINDOWS),
        *(f"{within(w, 'orders')} AS placed_{w}d" for w in LONG_WINDOWS),
        "min(age) FILTER (bought) AS days_since_last_order",
        "count(*) FILTER (bought) AS purchase_days_total",
        "sum(spend) AS spend_total",
    ]
    computed = {f"viewed_price_gap_{w}d": f"viewed_price_level_{w}d - price_level_{w}d" for w in LONG_WINDOWS}
    computed |= {
        f"{name}_{w}d": f"{above}_{w}d / nullif({below}_{w}d, 0)"
        for name, (above, below) in QUOTIENTS.items()
        for w in LONG_WINDOWS
    }
    values = [
        f"coalesce({computed.get(name, name)}, {'NULL' if name in UNKNOWN else 0})::DOUBLE AS {name}" for name in NAMES
    ]
    counts = ", ".join(f"count(*) FILTER (event_type = '{kind}') AS {name}" for name, kind in COUNTS.items())

    def scan(table: str) -> str:
        return f"read_parquet({files[table]}, hive_partitioning = true)"

    query = f"""
WITH products AS (SELECT product_id, category, ln(list_price) AS log_list FROM {scan("products")}
), lines AS NOT MATERIALIZED (
    SELECT l.*, category, DATE '{SNAPSHOT}' - day AS age, CASE WHEN quantity > 0 THEN ln(unit_price) END AS log_price
    FROM {scan("order_lines")} l JOIN products USING (product_id) WHERE day < DATE '{SNAPSHOT}'
), prices AS (
    SELECT category, day, count(log_price) AS n, sum(log_price) AS total, sum(log_price * log_price) AS squares
    FROM lines GROUP BY ALL
), grid AS (
    SELECT category, (DATE '{FIRST}' + d::INTEGER)::DATE AS day
    FROM (SELECT DISTINCT category FROM products), range({DAYS}) t(d)
), reference AS (
    SELECT category, day, sum(total) OVER w / nullif(sum(n) OVER w, 0) AS mean,
           nullif(sqrt(greatest(sum(squares) OVER w / nullif(sum(n) OVER w, 0) - mean * mean, 0)), 0) AS spread
    FROM grid LEFT JOIN prices USING (category, day)
    WINDOW w AS (PARTITION BY category ORDER BY day ROWS BETWEEN 28 PRECEDING AND 1 PRECEDING)
), days AS (
    SELECT user_id, age, sum(amount) AS spend, sum(quantity) AS units, max(quantity) > 0 AS bought,
           count(DISTINCT order_id) FILTER (quantity > 0) AS orders,
           sum((log_price - mean) / spread) AS level, count((log_price - mean) / spread) AS levels
    FROM lines LEFT JOIN reference USING (category, day) GROUP BY ALL
), bought AS (SELECT user_id, {", ".join(bought)} FROM days GROUP BY user_id HAVING bool_or(bought)
), baskets AS (
    SELECT user_id, category, sum(greatest(quantity, 0)) FILTER (age <= 28) AS n_28,
           sum(greatest(quantity, 0)) AS n_91, sum(greatest(amount, 0)) AS spend
    FROM lines WHERE age <= 91 GROUP BY ALL
), breadth AS (
    SELECT user_id, count_if(n_28 > 0) AS categories_28d, count_if(n_91 > 0) AS categories_91d,
           max(spend) / nullif(sum(spend), 0) AS top_category_share_91d
    FROM baskets GROUP BY user_id
), events AS NOT MATERIALIZED (
    SELECT e.*, category, log_list, DATE '{SNAPSHOT}' - day AS age
    FROM {scan("events")} e JOIN products USING (product_id) WHERE day < DATE '{SNAPSHOT}'
), visits AS (
    SELECT user_id, age, 1 AS visit_days, {counts}, sum(dwell_seconds) AS dwell, count(DISTINCT session_id) AS sessions,
           sum((log_list - mean) / spread) FILTER (event_type = 'view') AS level,
           count((log_list - mean) / spread) FILTER (event_type = 'view') AS levels
    FROM events LEFT JOIN reference USING (category, day) GROUP BY ALL
), seen AS (
    SELECT user_id, {", ".join(seen)}
    FROM visits e JOIN (SELECT user_id, days_since_last_order AS last FROM bought) USING (user_id) GROUP BY user_id
), views AS (
    SELECT user_id, category, count(*) FILTER (age <= 28) AS n_28, count(*) AS n_91
    FROM events WHERE age <= 91 AND event_type = 'view' GROUP BY ALL
), interest AS (
    SELECT user_id, count_if(n_28 > 0) AS viewed_categories_28d, count(*) AS viewed_categories_91d,
           max(n_28) / nullif(sum(n_28), 0) AS top_viewed_category_share_28d,
           max(n_91) / sum(n_91) AS top_viewed_category_share_91d
    FROM views GROUP BY user_id
)
SELECT user_id, {", ".join(values)} FROM bought LEFT JOIN breadth USING (user_id)
LEFT JOIN seen USING (user_id) LEFT JOIN interest USING (user_id)
"""  # noqa: S608 - of constants
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB", "preserve_insertion_order": False}) as connection:
        return connection.sql(query).to_arrow_table().to_pandas()


def polars(files: Files) -> "pd.DataFrame":
    """Compute all features with lazy frames on the streaming engine."""
    import polars as pl

    quantity = pl.col("quantity")

    def scan(table: str) -> pl.LazyFrame:
        rows = pl.scan_parquet(files[table], hive_partitioning=True, hive_schema={"day": pl.Date})
        dated = rows.with_columns(age=(pl.lit(SNAPSHOT) - pl.col("day")).dt.total_days()).filter(pl.col("age") >= 1)
        return dated.join(products, on="product_id")

    products = pl.scan_parquet(files["products"]).select("product_id", "category", log_list=pl.col("list_price").log())
    lines = scan("order_lines").with_columns(log_price=pl.when(quantity > 0).then(pl.col("unit_price").log()))
    reference = _polars_reference(lines, products)

    bought = _polars_orders(lines, reference)
    last = bought.select("user_id", last="days_since_last_order")
    found = bought.join(_polars_visits(scan("events"), reference, last), on="user_id", how="left").with_columns(
        **{
            f"viewed_price_gap_{w}d": pl.col(f"viewed_price_level_{w}d") - pl.col(f"price_level_{w}d")
            for w in LONG_WINDOWS
        },
        **{
            f"{name}_{w}d": pl.col(f"{above}_{w}d") / pl.col(f"{below}_{w}d")
            for name, (above, below) in QUOTIENTS.items()
            for w in LONG_WINDOWS
        },
    )
    values = found.select("user_id", *(pl.col(name).cast(pl.Float64) for name in NAMES))
    known = values.with_columns(pl.when(pl.exclude("user_id").is_finite()).then(pl.exclude("user_id")))
    return known.with_columns(pl.exclude("user_id", *UNKNOWN).fill_null(0.0)).collect(engine="streaming").to_pandas()


def _polars_orders(lines: "pl.LazyFrame", reference: "pl.LazyFrame") -> "pl.LazyFrame":
    """Features from orders for each user who bought."""
    import polars as pl

    age, quantity, paid = pl.col("age"), pl.col("quantity"), pl.col("bought")
    days = (
        lines.join(reference, on=["category", "day"], how="left")
        .group_by("user_id", "age")
        .agg(
            spend=pl.col("amount").sum(),
            units=quantity.sum(),
            bought=quantity.max() > 0,
            orders=pl.col("order_id").filter(quantity > 0).n_unique(),
            level=_level("log_price").sum(),
            levels=_level("log_price").count(),
        )
    )
    bought = days.group_by("user_id").agg(
        *((paid & (age <= w)).sum().alias(f"purchase_days_{w}d") for w in ORDER_WINDOWS),
        *(_within(w, m).alias(f"{m}_{w}d") for m in ("spend", "units") for w in ORDER_WINDOWS),
        *((_within(w, "level") / _within(w, "levels")).alias(f"price_level_{w}d") for w in LEVEL_WINDOWS),
        *(_within(w, "orders").alias(f"placed_{w}d") for w in LONG_WINDOWS),
        days_since_last_order=age.filter(paid).min(),
        purchase_days_total=paid.sum(),
        spend_total=pl.col("spend").sum(),
    )
    bought = bought.filter(pl.col("purchase_days_total") > 0)
    recent = lines.filter(age <= LONG)
    baskets = recent.group_by("user_id", "category").agg(
        n_28=quantity.clip(0).filter(age <= SHORT).sum(),
        n_91=quantity.clip(0).sum(),
        spend=pl.col("amount").clip(0).sum(),
    )
    breadth = baskets.group_by("user_id").agg(
        *((pl.col(f"n_{w}") > 0).sum().alias(f"categories_{w}d") for w in CATEGORY_WINDOWS),
        top_category_share_91d=pl.col("spend").max() / pl.col("spend").sum(),
    )
    return bought.join(breadth, on="user_id", how="left")


def _polars_visits(events: "pl.LazyFrame", reference: "pl.LazyFrame", last: "pl.LazyFrame") -> "pl.LazyFrame":
    """Features from events for the users of `last`."""
    import polars as pl

    age, is_view = pl.col("age"), pl.col("event_type") == "view"
    viewed = _level("log_list").filter(is_view)
    visits = (
        events.join(reference, on=["category", "day"], how="left")
        .group_by("user_id", "age")
        .agg(
            *((pl.col("event_type") == kind).sum().alias(name) for name, kind in COUNTS.items()),
            dwell=pl.col("dwell_seconds").sum(),
            sessions=pl.col("session_id").n_unique(),
            level=viewed.sum(),
            levels=viewed.count(),
        )
    )
    seen = (
        visits.with_columns(visit_days=pl.lit(1))
        .join(last, on="user_id")
        .group_by("user_id")
        .agg(
            *(_within(w, m).alias(f"{m}_{w}d") for m in TOTALS for w in WINDOWS),
            *((_within(w, "level") / _within(w, "levels")).alias(f"viewed_price_level_{w}d") for w in LONG_WINDOWS),
            *(pl.col(m).filter(age < pl.col("last")).sum().alias(f"{m}_since_last_order") for m in ("views", "carts")),
            days_since_last_visit=age.min(),
            views_trend_28d=_within(28, "views") / _within(56, "views"),
        )
    )
    views = events.filter(is_view, age <= LONG).group_by("user_id", "category")
    counted = views.agg(n_28=(age <= SHORT).sum(), n_91=pl.len())
    interest = counted.group_by("user_id").agg(
        *((pl.col(f"n_{w}") > 0).sum().alias(f"viewed_categories_{w}d") for w in CATEGORY_WINDOWS),
        *(
            (pl.col(f"n_{w}").max() / pl.col(f"n_{w}").sum()).alias(f"top_viewed_category_share_{w}d")
            for w in LONG_WINDOWS
        ),
    )
    return seen.join(interest, on="user_id", how="left")


def _within(window: int, column: str) -> "pl.Expr":
    import polars as pl

    return pl.col(column).filter(pl.col("age") <= window).sum()


def _level(column: str) -> "pl.Expr":
    import polars as pl

    return (pl.col(column) - pl.col("mean")) / pl.col("spread")


def _polars_reference(lines: "pl.LazyFrame", products: "pl.LazyFrame") -> "pl.LazyFrame":
    """Mean and standard deviation of a category's log prices in the 28 days before each day."""
    import polars as pl

    log_price, sums = pl.col("log_price"), ("n", "total", "squares")
    prices = lines.group_by("category", "day").agg(
        n=log_price.count(), total=log_price.sum(), squares=(log_price**2).sum()
    )
    every = pl.LazyFrame({"day": pl.date_range(FIRST, SNAPSHOT, closed="left", eager=True)})
    grid = products.select("category").unique().join(every, how="cross")
    daily = grid.join(prices, on=["category", "day"], how="left").sort("category", "day")
    before = daily.with_columns(
        pl.col(name).fill_null(0).rolling_sum(28, min_samples=1).shift(1).over("category") for name in sums
    )
    mean = pl.when(pl.col("n") > 0).then(pl.col("total") / pl.col("n"))
    spread = (pl.col("squares") / pl.col("n") - mean**2).clip(0).sqrt()
    return before.select("category", "day", mean=mean, spread=pl.when(spread > 0).then(spread))


def pandas(files: Files) -> "pd.DataFrame":
    """Reduce one frame per log to days, then group by user per window."""
    import numpy as np
    import pandas as pd
    import pyarrow.dataset as ds

    def scan(table: str, columns: list[str]) -> pd.DataFrame:
        rows = ds.dataset(files[table], partitioning=ds.partitioning(flavor="hive"))
        frame = rows.to_table(columns=[*columns, "day"]).to_pandas()
        frame["day"] = pd.to_datetime(frame["day"])
        return frame.assign(age=(pd.Timestamp(SNAPSHOT) - frame["day"]).dt.days)

    products = scan("products", ["product_id", "category", "list_price"])
    products = products.assign(log_list=np.log(products["list_price"]))[["product_id", "category", "log_list"]]
    columns = ["user_id", "order_id", "product_id", "quantity", "unit_price", "amount"]
    lines = scan("order_lines", columns).merge(products, on="product_id")
    lines["log_price"] = np.log(lines["unit_price"]).where(lines["quantity"] > 0)
    lines["units_bought"], lines["gross"] = lines["quantity"].clip(lower=0), lines["amount"].clip(lower=0)
    lines["placed"] = lines["order_id"].where(lines["quantity"] > 0)
    reference = _pandas_reference(lines)
    found = _pandas_orders(lines, reference)
    events = scan("events", ["user_id", "event_type", "product_id", "session_id", "dwell_seconds"])
    events = events.merge(products, on="product_id").merge(reference, on=["category", "day"], how="left")
    _pandas_visits(events, found)
    for window in LONG_WINDOWS:
        found[f"viewed_price_gap_{window}d"] = found[f"viewed_price_level_{window}d"] - found[f"price_level_{window}d"]
        for name, (above, below) in QUOTIENTS.items():
            found[f"{name}_{window}d"] = found[f"{above}_{window}d"] / found[f"{below}_{window}d"]
    values = found[NAMES].astype("float64").replace([np.inf, -np.inf], np.nan)
    filled = values.fillna({name: 0.0 for name in NAMES if name not in UNKNOWN})
    return filled.rename_axis("user_id").reset_index()


def _pandas_orders(lines: "pd.DataFrame", reference: "pd.DataFrame") -> "pd.DataFrame":
    """Features from orders for each user who bought."""
    import pandas as pd

    lines = lines.merge(reference, on=["category", "day"], how="left")
    lines["level"] = (lines["log_price"] - lines["mean"]) / lines["spread"]
    days = lines.groupby(["user_id", "age"], as_index=False).agg(
        spend=("amount", "sum"),
        units=("quantity", "sum"),
        units_bought=("units_bought", "sum"),
        placed=("placed", "nunique"),
        level=("level", "sum"),
        levels=("level", "count"),
    )
    paid = days[days["units_bought"] > 0]
    found = pd.DataFrame(index=paid["user_id"].unique())
    found["days_since_last_order"] = paid.groupby("user_id")["age"].min()
    found["purchase_days_total"] = paid.groupby("user_id").size()
    found["spend_total"] = days.groupby("user_id")["spend"].sum()
    for window in ORDER_WINDOWS:
        recent = days[days["age"] <= window].groupby("user_id")[["spend", "units", "level", "levels", "placed"]].sum()
        found[f"purchase_days_{window}d"] = paid[paid["age"] <= window].groupby("user_id").size()
        for name in ("spend", "units", "placed"):
            found[f"{name}_{window}d"] = recent[name]
        found[f"price_level_{window}d"] = recent["level"] / recent["levels"]
    for window in CATEGORY_WINDOWS:
        baskets = lines[lines["age"] <= window].groupby(["user_id", "category"])[["units_bought", "gross"]].sum()
        found[f"categories_{window}d"] = (baskets["units_bought"] > 0).groupby("user_id").sum()
        gross = baskets["gross"].groupby("user_id")
        found[f"top_category_share_{window}d"] = gross.max() / gross.sum()
    return found


def _pandas_visits(events: "pd.DataFrame", found: "pd.DataFrame") -> None:
    """Add the features from events for the users of `found`."""
    is_view = events["event_type"] == "view"
    events["level"] = ((events["log_list"] - events["mean"]) / events["spread"]).where(is_view)
    for name, kind in COUNTS.items():
        events[name] = events["event_type"] == kind
    visits = events.groupby(["user_id", "age"], as_index=False).agg(
        **{name: (name, "sum") for name in COUNTS},
        dwell=("dwell_seconds", "sum"),
        sessions=("session_id", "nunique"),
        level=("level", "sum"),
        levels=("level", "count"),
    )
    visits["visit_days"] = 1
    for window in WINDOWS:
        recent = visits[visits["age"] <= window].groupby("user_id")[[*TOTALS, "level", "levels"]].sum()
        for name in TOTALS:
            found[f"{name}_{window}d"] = recent[name]
        found[f"viewed_price_level_{window}d"] = recent["level"] / recent["levels"]
    for window in CATEGORY_WINDOWS:
        views = events[is_view & (events["age"] <= window)].groupby(["user_id", "category"]).size().groupby("user_id")
        found[f"viewed_categories_{window}d"] = views.size()
        found[f"top_viewed_category_share_{window}d"] = views.max() / views.sum()
    last = visits["user_id"].map(found["days_since_last_order"])
    since = visits[visits["age"] < last].groupby("user_id")[["views", "carts"]].sum()
    found["views_since_last_order"], found["carts_since_last_order"] = since["views"], since["carts"]
    found["days_since_last_visit"] = visits.groupby("user_id")["age"].min()
    recent = visits[visits["age"] <= TREND_DAYS].groupby("user_id")["views"].sum()
    found["views_trend_28d"] = found["views_28d"].fillna(0) / found.index.map(recent)


def _pandas_reference(lines: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    priced = lines.assign(squares=lines["log_price"] ** 2).groupby(["category", "day"])
    sums = priced.agg(n=("log_price", "count"), total=("log_price", "sum"), squares=("squares", "sum"))
    every = pd.MultiIndex.from_product(
        [sums.index.levels[0], pd.date_range(FIRST, SNAPSHOT, inclusive="left")], names=["category", "day"]
    )
    rolled = sums.reindex(every, fill_value=0.0).groupby(level=0).rolling(28, min_periods=1).sum().droplevel(0)
    before = rolled.groupby(level=0).shift(1)
    mean = before["total"] / before["n"]
    spread = (before["squares"] / before["n"] - mean**2).clip(lower=0) ** 0.5
    return pd.DataFrame({"mean": mean, "spread": spread.where(spread > 0)}).reset_index()
