"""Time and memory of simulating the marketplace.

    python benchmarks/simulation.py [--users 10000 100000 1000000] [--days 90]

Each simulation is `purse simulate` in a process of its own, imports included, written to a temporary folder in
TMPDIR: a million users and 90 days need about 2 GB there.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MILLION = 1e6


def run(users: int, days: int) -> str:
    """Simulate once and return a row of the table."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--users", str(users), "--days", str(days), "--output", str(Path(folder) / "shop"), "--json"]
        command = [sys.executable, "-m", "cli.main", "simulate", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = json.loads(done.stdout)["rows"]
    events, lines = rows["events"] / MILLION, rows["order_lines"] / MILLION
    return (
        f"| {users:,} | {days} | {events:,.1f} | {lines:,.2f} | {seconds:,.0f} | {cpu:,.0f} | "
        f"{after.ru_maxrss / 1024:,.0f} | {size / MILLION:,.0f} |"
    )


def main() -> None:
    """Simulate each size, the smallest first, because peak memory is the largest process so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--days", type=int, default=90)
    arguments = parser.parse_args()
    print("| users | days | million events | million order lines | seconds | CPU seconds | peak MB | MB on disk |")
    print("|---|---|---|---|---|---|---|---|")
    for users in sorted(arguments.users):
        print(run(users, arguments.days), flush=True)


if __name__ == "__main__":
    main()
