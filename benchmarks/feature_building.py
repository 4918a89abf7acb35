"""Features of one snapshot from an event log: Purse beside hand-written DuckDB SQL, Polars and pandas, and its growth.

    python benchmarks/feature_building.py [--events 20] [--runs 3]          (millions of events)
    python benchmarks/feature_building.py --grow 1 10 100                   (Purse alone, at several sizes)

The shop is made up by one SQL statement per table: 120 days, 110 events and 6 order lines per user, in Parquet files
by day, which all contenders read. All compute the same 22 windows of events and orders; results are compared to 1e-6.
Each run is a process of its own with two threads, imports left out, in turn. The commits to the lake count, the
validation report does not.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FIRST, DAYS = date(2024, 1, 1), 120
SNAPSHOT = FIRST + timedelta(days=DAYS)
USERS_PER_MILLION = 9_000
WINDOWS, ORDER_WINDOWS = (7, 28, 91), (28, 91)
TYPES = {"views": "view", "carts": "cart", "searches": "search"}
NAMES = [
    *(f"{measure}_{window}d" for measure in ("visits", *TYPES, "dwell") for window in WINDOWS),
    "days_since_last_visit",
    *(f"{measure}_{window}d" for measure in ("orders", "spend") for window in ORDER_WINDOWS),
    "days_since_last_order",
    "spend_total",
]
SHOP = {
    "products": """
SELECT 'p' || n AS product_id, 'c' || n % 50 AS category, (100 + hash(n) % 10000)::DOUBLE / 100 AS list_price,
       TIMESTAMP '1970-01-01' AS valid_from, DATE '1970-01-01' AS day
FROM range(2000) t(n)
""",
    "order_lines": """
SELECT day || '-' || u AS order_id, 'p' || hash(u, day, 1) % 2000 AS product_id, 1::BIGINT AS line, 'u' || u AS user_id,
       day::TIMESTAMP + INTERVAL 12 HOUR AS ordered_at,
       CASE WHEN hash(u, day, 2) % 20 = 0 THEN -1.0 ELSE 1.0 END::DOUBLE AS quantity,
       (100 + hash(u, day, 3) % 10000)::DOUBLE / 100 AS unit_price, unit_price * quantity AS amount, day
FROM days, range({users}) t(u) WHERE hash(u, day) % 100 < 5
""",
    "events": """
SELECT day || '-' || u || '-' || e AS event_id, 'u' || u AS user_id,
       day::TIMESTAMP + to_seconds(36000 + e * 60) AS occurred_at,
       ['view', 'view', 'view', 'click', 'search', 'cart', 'favourite'][(hash(u, day, e) % 7)::INT + 1] AS event_type,
       'p' || hash(u, day, e, 1) % 2000 AS product_id, day || '-' || u AS session_id,
       (hash(u, day, e, 2) % 120)::DOUBLE AS dwell_seconds, day
FROM days, range({users}) t(u), range(10) s(e) WHERE hash(u, day, 4) % 12 < 2 AND hash(u, day) % 10 >= e
""",
}


def prepare(millions: int) -> int:
    """Write the raw tables of the lake; how many events there are."""
    import duckdb
    from deltalake import Field, Schema, convert_to_deltalake

    from pipelines import lake, lake_log
    from pipelines.settings import load_settings

    settings = load_settings()
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB", "preserve_insertion_order": False}) as connection:
        days = "CREATE TABLE days AS SELECT (?::DATE + n::INTEGER)::DATE AS day FROM range(?) t(n)"
        connection.execute(days, [FIRST, DAYS])
        for name, query in SHOP.items():
            folder = f"{settings.lake}/raw/{name}"
            Path(folder).mkdir(parents=True)
            rows = query.format(users=USERS_PER_MILLION * millions)
            connection.execute(f"COPY ({rows}) TO '{folder}' (FORMAT parquet, PARTITION_BY (day), OVERWRITE)")
            by_day = Schema([Field("day", "date")])  # type: ignore[arg-type]
            convert_to_deltalake(folder, partition_by=by_day, partition_strategy="hive")
    return sum(lake_log.row_counts(lake.open_table(settings, "raw/events")).values())


def files(table: str) -> list[str]:
    """The files of a raw table."""
    from pipelines import lake
    from pipelines.settings import load_settings

    return list(lake.open_table(load_settings(), f"raw/{table}").file_uris())


def duckdb_sql() -> "pd.DataFrame":
    """One statement: a scan and an aggregation per log, each window a filtered aggregate."""
    import duckdb

    counts = [
        f"count(*) FILTER (event_type = '{t}' AND age <= {w}) AS {m}_{w}d" for m, t in TYPES.items() for w in WINDOWS
    ]
    seen = [
        *(f"count(DISTINCT day) FILTER (age <= {w}) AS visits_{w}d" for w in WINDOWS),
        *counts,
        *(f"sum(dwell_seconds) FILTER (age <= {w}) AS dwell_{w}d" for w in WINDOWS),
        "min(age) AS days_since_last_visit",
    ]
    bought = [
        *(f"count(*) FILTER (bought > 0 AND age <= {w}) AS orders_{w}d" for w in ORDER_WINDOWS),
        *(f"sum(spend) FILTER (age <= {w}) AS spend_{w}d" for w in ORDER_WINDOWS),
        "min(age) FILTER (bought > 0) AS days_since_last_order",
        "sum(spend) AS spend_total",
    ]
    values = [
        f"coalesce({name}, {'NULL' if name == 'days_since_last_visit' else 0})::DOUBLE AS {name}" for name in NAMES
    ]
    query = f"""
WITH seen AS (
    SELECT user_id, {", ".join(seen)}
    FROM (SELECT *, DATE '{SNAPSHOT}' - day AS age FROM read_parquet({files("events")}, hive_partitioning = true))
    WHERE age BETWEEN 1 AND 364 GROUP BY user_id
), days AS (
    SELECT user_id, DATE '{SNAPSHOT}' - day AS age, sum(amount) AS spend, sum(greatest(quantity, 0)) AS bought
    FROM read_parquet({files("order_lines")}, hive_partitioning = true) WHERE day < DATE '{SNAPSHOT}' GROUP BY ALL
), orders AS (SELECT user_id, {", ".join(bought)} FROM days GROUP BY user_id HAVING max(bought) > 0)
SELECT user_id, {", ".join(values)} FROM orders LEFT JOIN seen USING (user_id)
"""  # noqa: S608 - of constants
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB", "preserve_insertion_order": False}) as connection:
        return connection.sql(query).to_arrow_table().to_pandas()


def polars() -> "pd.DataFrame":
    """Lazy frames on the streaming engine."""
    import polars as pl

    age = (pl.lit(SNAPSHOT) - pl.col("day")).dt.total_days()

    def scan(table: str) -> pl.LazyFrame:
        rows = pl.scan_parquet(files(table), hive_partitioning=True, hive_schema={"day": pl.Date})
        return rows.with_columns(age=age).filter(pl.col("age") >= 1)

    def within(window: int, value: pl.Expr) -> pl.Expr:
        return value.filter(pl.col("age") <= window)

    seen = (
        scan("events")
        .group_by("user_id")
        .agg(
            *(within(w, pl.col("day")).n_unique().alias(f"visits_{w}d") for w in WINDOWS),
            *(
                ((pl.col("event_type") == kind) & (pl.col("age") <= w)).sum().alias(f"{measure}_{w}d")
                for measure, kind in TYPES.items()
                for w in WINDOWS
            ),
            *(within(w, pl.col("dwell_seconds")).sum().alias(f"dwell_{w}d") for w in WINDOWS),
            pl.col("age").min().alias("days_since_last_visit"),
        )
    )
    days = (
        scan("order_lines")
        .group_by("user_id", "age")
        .agg(spend=pl.col("amount").sum(), bought=pl.col("quantity").clip(0).sum())
    )
    paid = pl.col("bought") > 0
    orders = days.group_by("user_id").agg(
        *((paid & (pl.col("age") <= w)).sum().alias(f"orders_{w}d") for w in ORDER_WINDOWS),
        *(within(w, pl.col("spend")).sum().alias(f"spend_{w}d") for w in ORDER_WINDOWS),
        pl.col("age").filter(paid).min().alias("days_since_last_order"),
        pl.col("spend").sum().alias("spend_total"),
    )
    buyers = orders.filter(pl.col("days_since_last_order").is_not_null()).join(seen, on="user_id", how="left")
    values = buyers.select("user_id", *(pl.col(name).cast(pl.Float64) for name in NAMES))
    filled = values.with_columns(pl.exclude("user_id", "days_since_last_visit").fill_null(0.0))
    return filled.collect(engine="streaming").to_pandas()


def pandas() -> "pd.DataFrame":
    """A frame per log, a group-by per window."""
    import pandas as pd
    import pyarrow.dataset as ds

    def scan(table: str, columns: list[str]) -> pd.DataFrame:
        rows = ds.dataset(files(table), partitioning=ds.partitioning(flavor="hive")).to_table(columns=[*columns, "day"])
        frame = rows.to_pandas()
        return frame.assign(age=(pd.Timestamp(SNAPSHOT) - pd.to_datetime(frame.pop("day"))).dt.days)

    events = scan("events", ["user_id", "event_type", "dwell_seconds"])
    lines = scan("order_lines", ["user_id", "amount", "quantity"])
    lines["bought"] = lines["quantity"].clip(lower=0)
    days = lines.groupby(["user_id", "age"], as_index=False).agg(spend=("amount", "sum"), bought=("bought", "sum"))
    paid = days[days["bought"] > 0]
    found = pd.DataFrame(index=paid["user_id"].unique())
    for window in WINDOWS:
        recent = events[events["age"] <= window]
        found[f"visits_{window}d"] = recent.groupby("user_id")["age"].nunique()
        for measure, kind in TYPES.items():
            found[f"{measure}_{window}d"] = recent[recent["event_type"] == kind].groupby("user_id").size()
        found[f"dwell_{window}d"] = recent.groupby("user_id")["dwell_seconds"].sum()
    for window in ORDER_WINDOWS:
        found[f"orders_{window}d"] = paid[paid["age"] <= window].groupby("user_id").size()
        found[f"spend_{window}d"] = days[days["age"] <= window].groupby("user_id")["spend"].sum()
    found = found.fillna(0.0)
    found["days_since_last_visit"] = events.groupby("user_id")["age"].min()
    found["days_since_last_order"] = paid.groupby("user_id")["age"].min()
    found["spend_total"] = days.groupby("user_id")["spend"].sum()
    return found[NAMES].astype("float64").rename_axis("user_id").reset_index()


def purse() -> "pd.DataFrame":
    """The same features out of the daily tables."""
    from features.build import build
    from features.definitions import FEATURES
    from pipelines import lake
    from pipelines.settings import load_settings

    settings, connection = load_settings(), lake.connect()
    lake.bound(connection, settings)
    connection.raw_sql("SET threads = 2")
    daily = {name: lake.read(connection, settings, name) for name in ("user_day", "user_event_day")}
    chosen = [feature for feature in FEATURES if feature.name in NAMES]
    return build(daily, SNAPSHOT, chosen).to_pyarrow().to_pandas()


def daily_tables() -> None:
    """Purse's first stage, everything from nothing."""
    from pipelines import daily, lake
    from pipelines.settings import load_settings

    settings, connection = load_settings(), lake.connect()
    for table in daily.DAILY:
        shutil.rmtree(f"{settings.lake}/{table.name}", ignore_errors=True)
    lake.bound(connection, settings)
    connection.raw_sql("SET threads = 2")
    daily.refresh(settings, connection)


def everything() -> None:
    """All of Purse's features and sequences out of the daily tables, committed to the lake."""
    from pipelines import build_features
    from pipelines.settings import load_settings

    build_features.check = lambda *_: {}  # type: ignore[assignment]
    build_features.build_features(load_settings(), SNAPSHOT)


CONTENDERS: dict[str, Callable[[], "pd.DataFrame | None"]] = {
    "DuckDB SQL": duckdb_sql,
    "Polars": polars,
    "pandas": pandas,
    "Purse, its daily tables from nothing": daily_tables,
    "Purse, from its daily tables": purse,
    "Purse, all its features and sequences, from its daily tables": everything,
}


def measure(name: str, output: str) -> None:
    """Run one contender, keep what it found, and print its seconds, those of the processor, and its peak memory."""
    import duckdb  # noqa: F401 - imported before the clock starts
    import pandas  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.dataset  # noqa: F401

    import features.definitions  # noqa: F401
    import pipelines.build_features  # noqa: F401

    began, used = time.perf_counter(), time.process_time()
    found = CONTENDERS[name]()
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    if found is not None:
        found.sort_values("user_id").to_parquet(output, index=False)
    print(json.dumps([seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def assert_same(folder: Path) -> None:
    """All contenders that found something found the same."""
    import pandas as pd

    first, *others = [pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))]
    for other in others:
        pd.testing.assert_frame_equal(other[list(first)], first, rtol=1e-6, check_dtype=False)


def contend(arguments: argparse.Namespace, millions: int, names: list[str]) -> tuple[int, dict[str, list[float]]]:
    """Measure contenders on a shop of their own; the events, and the medians of each: seconds, CPU seconds, peak MB."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as home:
        command = [sys.executable, str(Path(__file__))]
        environment = {**os.environ, "PURSE_HOME": home, "TMPDIR": home}

        def child(*more: str) -> list[float] | int:
            done = subprocess.run([*command, *more], env=environment, stdout=subprocess.PIPE, text=True, check=True)
            found: list[float] | int = json.loads(done.stdout.splitlines()[-1])
            return found

        # a process starts with the peak memory of its parent, so this one stays small
        events = int(child("--prepare", str(millions)))
        measured: dict[str, list[list[float]]] = {name: [] for name in names}
        for _ in range(arguments.runs):
            for name, results in measured.items():
                results.append(child("--measure", name, "--output", f"{home}/{list(CONTENDERS).index(name)}.parquet"))
        if "pandas" in names:
            subprocess.run([*command, "--compare", home], env=environment, check=True)
    return events, {n: [statistics.median(c) for c in zip(*results, strict=True)] for n, results in measured.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--grow", type=int, nargs="+")
    parser.add_argument("--folder", help="where the shop is written; 20 million events take 400 MB")
    for hidden in ("--prepare", "--measure", "--output", "--compare"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        print(prepare(int(arguments.prepare)))
    elif arguments.measure:
        measure(arguments.measure, arguments.output)
    elif arguments.compare:
        assert_same(Path(arguments.compare))
    else:
        print("| events | contender | seconds (median) | CPU seconds | of DuckDB SQL | peak MB |")
        print("|---|---|---|---|---|---|", flush=True)
        names = [name for name in CONTENDERS if not arguments.grow or name not in ("Polars", "pandas")]
        for millions in arguments.grow or [arguments.events]:
            events, medians = contend(arguments, millions, names)
            for name, (seconds, processor, memory) in medians.items():
                share = seconds / medians["DuckDB SQL"][0]
                print(
                    f"| {events:,} | {name} | {seconds:.2f} | {processor:.2f} | {share:.2f} | {memory:,.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
