"""Features of one snapshot from an event log: Purse beside hand-written DuckDB SQL, Polars and pandas, and its growth.

    python benchmarks/feature_building.py [--events 20] [--runs 3]          (millions of events)
    python benchmarks/feature_building.py --grow 1 10 100                   (Purse alone, at several sizes)

One SQL statement per table makes up the shop: 120 days, 110 events and 6 order lines per user, in Parquet files by
day, which all contenders read. All compute the same 74 features, those of `feature_peers.NAMES`, which need every
daily table; results must agree to 1e-6. Contenders take turns, each run in a process of its own with two threads.
Commits to the lake count; imports and the validation report do not.
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import feature_peers
from feature_peers import DAYS, FIRST, NAMES, SNAPSHOT

from pipelines.lake.sql import literal

if TYPE_CHECKING:
    import pandas as pd

USERS_PER_MILLION = 9_000
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
       'p' || hash(u, day, e, 1) % 2000 AS product_id, day || '-' || u || '-' || e // 4 AS session_id,
       (hash(u, day, e, 2) % 120)::DOUBLE AS dwell_seconds, day
FROM days, range({users}) t(u), range(10) s(e) WHERE hash(u, day, 4) % 12 < 2 AND hash(u, day) % 10 >= e
""",
}


def prepare(millions: int) -> int:
    """Write the raw tables of the lake; return the number of events."""
    import duckdb
    from deltalake import Field, Schema, convert_to_deltalake

    from pipelines.lake import commit_log
    from pipelines.lake import tables as lake
    from pipelines.settings import load_settings

    settings = load_settings()
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB", "preserve_insertion_order": False}) as connection:
        days = "CREATE TABLE days AS SELECT (?::DATE + n::INTEGER)::DATE AS day FROM range(?) t(n)"
        connection.execute(days, [FIRST, DAYS])
        for name, query in SHOP.items():
            folder = f"{settings.lake}/raw/{name}"
            Path(folder).mkdir(parents=True)
            rows = query.format(users=USERS_PER_MILLION * millions)
            connection.execute(f"COPY ({rows}) TO {literal(folder)} (FORMAT parquet, PARTITION_BY (day), OVERWRITE)")
            by_day = Schema([Field("day", "date")])  # type: ignore[arg-type]
            convert_to_deltalake(folder, partition_by=by_day, partition_strategy="hive")
    return sum(commit_log.row_counts(lake.open_table(settings, "raw/events")).values())


def by_hand(contender: Callable[[feature_peers.Files], "pd.DataFrame"]) -> Callable[[], "pd.DataFrame"]:
    """Run a contender of `feature_peers` on the raw files of the lake."""

    def read() -> "pd.DataFrame":
        from pipelines.lake import tables as lake
        from pipelines.settings import load_settings

        return contender({name: lake.open_table(load_settings(), f"raw/{name}").file_uris() for name in SHOP})

    return read


def purse(first_day: bool = False) -> "pd.DataFrame":
    """Compute the same features from the daily tables, which the first run computes from the raw files."""
    from features.build import build
    from features.daily.tables import DAILY
    from features.definitions import FEATURES
    from pipelines.build_features.daily_tables import refresh
    from pipelines.lake import tables as lake
    from pipelines.settings import load_settings

    settings, connection = load_settings(), lake.connect()
    lake.bound(connection, settings)
    connection.raw_sql("SET threads = 2")
    if first_day:
        for table in DAILY:
            shutil.rmtree(f"{settings.lake}/{table.name}", ignore_errors=True)
        refresh(settings, connection)
    tables = {table.name: lake.read(connection, settings, table.name) for table in DAILY}
    rows = build(tables, SNAPSHOT, [feature for feature in FEATURES if feature.name in NAMES])
    return lake.stream(connection, rows).read_all().to_pandas()


def everything() -> None:
    """Compute all of Purse's features and sequences from the daily tables and commit them to the lake."""
    from pipelines.build_features import step as build_features
    from pipelines.settings import load_settings

    build_features.check = lambda *_: {}  # type: ignore[assignment]
    build_features.build_features(load_settings(), SNAPSHOT)


CONTENDERS: dict[str, Callable[[], "pd.DataFrame | None"]] = {
    "DuckDB SQL": by_hand(feature_peers.duckdb_sql),
    "Polars": by_hand(feature_peers.polars),
    "pandas": by_hand(feature_peers.pandas),
    "Purse, from the raw files": partial(purse, first_day=True),
    "Purse, from its daily tables": purse,
    "Purse, all its features and sequences, from its daily tables": everything,
}


def measure(name: str, output: str) -> None:
    """Run one contender, store its result, and print its seconds, CPU seconds and peak memory."""
    import duckdb  # noqa: F401 - imported before the clock starts
    import pandas  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.dataset  # noqa: F401

    import features.definitions  # noqa: F401
    import pipelines.build_features.step  # noqa: F401

    began, used = time.perf_counter(), time.process_time()
    found = CONTENDERS[name]()
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    if found is not None:
        found.sort_values("user_id").to_parquet(output, index=False)
    print(json.dumps([seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def assert_same(folder: Path) -> None:
    """Assert that the results of all contenders agree."""
    import pandas as pd

    first, *others = [pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))]
    for other in others:
        pd.testing.assert_frame_equal(other[list(first)], first, rtol=1e-6, check_dtype=False)


def contend(arguments: argparse.Namespace, millions: int, names: list[str]) -> tuple[int, dict[str, list[float]]]:
    """Measure contenders on a shop of their own; return events, and median s, CPU s and peak MB of each."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as home:
        command = [sys.executable, str(Path(__file__))]
        environment = {**os.environ, "PURSE_HOME": home, "TMPDIR": home}

        def child(*more: str) -> list[float] | int:
            done = subprocess.run([*command, *more], env=environment, stdout=subprocess.PIPE, text=True, check=True)
            found: list[float] | int = json.loads(done.stdout.splitlines()[-1])
            return found

        # a process inherits the peak memory of its parent, so this one stays small
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
    parser.add_argument("--folder", help="where the shop is written; 20 million events take 600 MB")
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
        names = [name for name in CONTENDERS if not arguments.grow or name.startswith("Purse")]
        for millions in arguments.grow or [arguments.events]:
            events, medians = contend(arguments, millions, names)
            for name, (seconds, processor, memory) in medians.items():
                share = f"{seconds / medians['DuckDB SQL'][0]:.2f}" if "DuckDB SQL" in medians else ""
                print(
                    f"| {events:,} | {name} | {seconds:.2f} | {processor:.2f} | {share} | {memory:,.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
