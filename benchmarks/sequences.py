"""Padded arrays of every user's last 64 actions, from the daily tables to NumPy: time and memory.

    python benchmarks/sequences.py [--users 1000000] [--runs 1]

The daily tables are made up: every user acts on 70 of 100 days. All 13 channels are computed for a part of the users at
a time, as in `build_features`, passed on as Arrow lists and padded as for the networks; each part is dropped before the
next. One process, two threads, imports left out.
"""

import argparse
import resource
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from features import sequences
from features.build import part
from models.networks.encoding import padded
from pipelines.build_features.step import DAYS_AT_ONCE
from pipelines.lake import tables as lake
from pipelines.lake.sql import literal
from pipelines.settings import load_settings

FIRST, DAYS, STEPS = date(2024, 1, 1), 100, 64
TABLES = {
    "user_event_day": """
SELECT 'u' || u AS user_id, day, (h % 5)::DOUBLE AS views, (h // 5 % 3)::DOUBLE AS clicks,
       (h // 15 % 3)::DOUBLE AS searches, (h // 45 % 3)::DOUBLE AS carts, (h // 135 % 2)::DOUBLE AS favourites,
       (h // 300 % 600)::DOUBLE AS dwell_seconds, 1.0::DOUBLE AS sessions,
       (h // 3000 % 200)::DOUBLE / 100 - 1 AS view_level, (h // 600000 % 5)::DOUBLE AS view_level_views
FROM (SELECT u, day, hash(u, day) AS h FROM days, range({users}) t(u)) WHERE h % 10 < 7
""",
    "user_day": """
SELECT 'u' || u AS user_id, day, (h // 15 % 3 + 1)::DOUBLE AS lines, lines AS units, lines * 7.25 AS spend,
       (h // 3000 % 200)::DOUBLE / 100 - 1 AS price_level, 1.0::DOUBLE AS price_level_lines
FROM (SELECT u, day, hash(u, day, 1) AS h FROM days, range({users}) t(u)) WHERE h % 100 < 6
""",
}


def build(folder: Path, users: int) -> tuple[int, int]:
    """Build all arrays, one part after the other; return the numbers of users and actions."""
    connection, settings = lake.connect(), load_settings()
    lake.bound(connection, settings)
    connection.raw_sql("SET threads = 2")
    daily = {name: connection.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    parts = 1 + users * DAYS * 7 // 10 // DAYS_AT_ONCE
    found = actions = 0
    for number in range(parts):
        tables = part(daily, number, parts)
        lists = sequences.build(
            tables["user_day"],
            FIRST + timedelta(days=DAYS),
            sequences.SEQUENCES,
            STEPS,
            tables["user_event_day"],
        )
        rows = lake.stream(connection, lists).read_all().drop_columns("user_id")
        values, present = padded(rows.to_pandas(types_mapper=pd.ArrowDtype), STEPS)
        found, actions = found + len(values), actions + int(present.sum())
    return found, actions


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        connection = lake.connect()
        lake.bound(connection, load_settings())
        connection.raw_sql("CREATE TABLE days AS SELECT (DATE '2024-01-01' + n::INT)::DATE AS day FROM range(100) t(n)")
        for name, query in TABLES.items():
            connection.raw_sql(f"COPY ({query.format(users=arguments.users)}) TO {literal(f'{folder}/{name}.parquet')}")
        seconds, processor = [], []
        for _ in range(arguments.runs):
            began, used = time.perf_counter(), time.process_time()
            found, actions = build(Path(folder), arguments.users)
            seconds.append(time.perf_counter() - began)
            processor.append(time.process_time() - used)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("| users | actions | seconds (median) | CPU seconds (median) | peak MB |\n|---|---|---|---|---|")
    medians = f"{statistics.median(seconds):.1f} | {statistics.median(processor):.1f}"
    print(f"| {found:,} | {actions:,} | {medians} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
