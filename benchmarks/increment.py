"""Cost of one more day beside a full rebuild: time and memory of the daily tables and of a snapshot.

    python benchmarks/increment.py [--users 20000] [--days 365]

One SQL statement per table makes up the shop: about 1.1 events and 0.06 order lines per user and day, 2,000 products
in 50 categories. Each row is a process of its own on the same lake: a full build; a new day; a line that arrives 60
days late; nothing new. Times are CPU seconds over all threads, so that other load does not count; imports and the
validation report are left out.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

FIRST = date(2024, 1, 1)
PRODUCTS = """
SELECT 'p' || n AS product_id, 'c' || n % 50 AS category, (100 + hash(n) % 10000)::DOUBLE / 100 AS list_price,
       TIMESTAMP '1970-01-01' AS valid_from, DATE '1970-01-01' AS day
FROM range(2000) t(n)
"""
ORDER_LINES = """
SELECT day || '-' || u AS order_id, 'p' || hash(u, day, 1) % 2000 AS product_id, 1::BIGINT AS line, 'u' || u AS user_id,
       day::TIMESTAMP + INTERVAL 12 HOUR AS ordered_at,
       CASE WHEN hash(u, day, 2) % 20 = 0 THEN -1.0 ELSE 1.0 END::DOUBLE AS quantity,
       (100 + hash(u, day, 3) % 10000)::DOUBLE / 100 AS unit_price, unit_price * quantity AS amount, day
FROM days, range({users}) t(u) WHERE hash(u, day) % 100 < 6
"""
EVENTS = """
SELECT day || '-' || u || '-' || e AS event_id, 'u' || u AS user_id,
       day::TIMESTAMP + to_seconds(36000 + e * 60) AS occurred_at,
       ['view', 'view', 'view', 'click', 'search', 'cart', 'favourite'][(hash(u, day, e) % 7)::INT + 1] AS event_type,
       'p' || hash(u, day, e, 1) % 2000 AS product_id, day || '-' || u || '-' || e // 4 AS session_id,
       (hash(u, day, e, 2) % 120)::DOUBLE AS dwell_seconds, day
FROM days, range({users}) t(u), range(8) s(e) WHERE hash(u, day, 4) % 100 < 14
"""


def write(table: str, query: str, first: date, days: int, users: int) -> None:
    """Replace days of a raw table with the rows of a query over `days`."""
    import duckdb

    from pipelines.lake import tables
    from pipelines.settings import load_settings

    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE days AS SELECT (?::DATE + n::INTEGER)::DATE AS day FROM range(?) t(n)", [first, days]
        )
        chosen = None if first == FIRST else [first + timedelta(days=n) for n in range(days)]
        tables.replace_days(
            load_settings(),
            f"raw/{table}",
            lambda: connection.sql(query.format(users=users)).to_arrow_reader(100_000),
            chosen,
            {},
        )


def change(kind: str, users: int, days: int) -> None:
    """Change the raw tables as `kind` names it."""
    if kind == "everything":
        write("products", PRODUCTS, FIRST, 1, users)
        write("order_lines", ORDER_LINES, FIRST, days, users)
        write("events", EVENTS, FIRST, days, users)
    elif kind == "a new day":
        write("order_lines", ORDER_LINES, FIRST + timedelta(days=days), 1, users)
        write("events", EVENTS, FIRST + timedelta(days=days), 1, users)
    elif kind == "a late line":
        write("order_lines", ORDER_LINES, FIRST + timedelta(days=days - 60), 1, users + 1)


def measure(kind: str, days: int) -> None:
    """Update all tables and print the cost as JSON."""
    from pipelines.build_features import step as build_features
    from pipelines.build_features.daily_tables import refresh
    from pipelines.lake import tables
    from pipelines.settings import load_settings

    settings = load_settings()
    snapshot = FIRST + timedelta(days=days + (kind != "everything"))
    build_features.check = lambda *_: {}  # type: ignore[assignment]
    began = time.process_time()
    computed = refresh(settings, tables.connect())
    reduced = time.process_time()
    rows = build_features.build_features(settings, snapshot).rows
    ended = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([list(computed.values()), reduced - began, rows, ended - reduced, memory]))


def main() -> None:
    """Run the cases in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--change", help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.change:
        change(arguments.change, arguments.users, arguments.days)
        return
    if arguments.measure:
        measure(arguments.measure, arguments.days)
        return
    with tempfile.TemporaryDirectory() as home:
        os.environ["PURSE_HOME"] = home
        command = [sys.executable, str(Path(__file__)), "--users", str(arguments.users), "--days", str(arguments.days)]
        print("| change | days computed | daily tables s | share | rows of the snapshot | its features s | peak MB |")
        print("|---|---|---|---|---|---|---|", flush=True)
        whole = None
        for kind in ("everything", "a new day", "a late line", "nothing"):
            subprocess.run([*command, "--change", kind], check=True)
            done = subprocess.run([*command, "--measure", kind], stdout=subprocess.PIPE, text=True, check=True)
            computed, seconds, rows, building, memory = json.loads(done.stdout.splitlines()[-1])
            whole = whole or seconds
            days = ", ".join(map(str, computed))
            share = seconds / whole
            print(
                f"| {kind} | {days} | {seconds:.2f} | {share:.1%} | {rows:,} | {building:.2f} | {memory:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
