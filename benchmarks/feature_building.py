"""Time and memory of building the features of Ta-Feng's snapshots, beside hand-written pandas.

    python benchmarks/feature_building.py [--runs 3]

Each contender runs in a process of its own, in turn. Purse computes all features of all snapshots of the retraining at
2001-03-01, daily tables and lake commits included, without the validation report; pandas only the 21 window sums
(orders, spend and units in seven windows) of the same snapshots from the same rows, and writes nothing.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

SNAPSHOT = date(2001, 3, 1)
FIRST = date(2000, 11, 1)
WINDOWS = (7, 14, 28, 56, 91, 182, 364)


def purse() -> int:
    """All features of all snapshots; returns the number of rows."""
    from pipelines import build_features
    from pipelines.settings import load_settings

    build_features.check = lambda *_: {}  # type: ignore[assignment]
    return int(build_features.build_features(load_settings(), SNAPSHOT, "training")["rows"])


def pandas() -> int:
    """21 window sums of all snapshots; returns the number of rows."""
    import pandas as pd

    from pipelines import lake
    from pipelines.settings import load_settings
    from pipelines.snapshots import plan_snapshots

    settings = load_settings()
    lines = lake.read(lake.connect(), settings, "raw/order_lines")
    frame = lines.select("user_id", "day", "amount", "quantity").to_pandas()
    frame["day"] = pd.to_datetime(frame["day"])
    rows = 0
    for snapshot in plan_snapshots(FIRST, SNAPSHOT, settings.horizon_days, settings.snapshots).all:
        past = frame[frame["day"] < pd.Timestamp(snapshot)]
        users = pd.DataFrame(index=past["user_id"].unique())
        for window in WINDOWS:
            recent = past[past["day"] >= pd.Timestamp(snapshot - timedelta(days=window))].groupby("user_id")
            users[f"orders_{window}d"] = recent["day"].nunique()
            users[f"spend_{window}d"] = recent["amount"].sum()
            users[f"units_{window}d"] = recent["quantity"].sum()
        rows += len(users.fillna(0))
    return rows


def prepare() -> None:
    """Load Ta-Feng into the lake of PURSE_HOME."""
    from pipelines.ingest import ingest
    from pipelines.settings import load_settings
    from pipelines.validate import validate

    ingest(load_settings(), FIRST, SNAPSHOT)
    validate(load_settings(), FIRST, SNAPSHOT)


def run(name: str) -> None:
    """Run one contender and print rows, seconds (imports left out) and peak memory in MB."""
    import pipelines.build_features  # noqa: F401 - imported before the clock starts

    began = time.perf_counter()
    rows = {"purse": purse, "pandas": pandas}[name]()
    seconds = time.perf_counter() - began
    print(rows, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Run the contenders in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--contender", choices=["purse", "pandas", "prepare"])
    arguments = parser.parse_args()
    if arguments.contender == "prepare":
        prepare()
        return
    if arguments.contender:
        run(arguments.contender)
        return
    with tempfile.TemporaryDirectory() as home:
        os.environ["PURSE_HOME"] = home
        command = [sys.executable, str(Path(__file__)), "--contender"]
        # a process starts with the peak memory of its parent, so this one stays small
        subprocess.run([*command, "prepare"], check=True, stdout=subprocess.DEVNULL)
        print("| contender | rows | seconds (median) | peak MB |\n|---|---|---|---|")
        measured: dict[str, list[list[float]]] = {"purse": [], "pandas": []}
        for _ in range(arguments.runs):
            for name, results in measured.items():
                done = subprocess.run([*command, name], capture_output=True, text=True, check=True)
                results.append([float(word) for word in done.stdout.split()[-3:]])
        for name, results in measured.items():
            rows, seconds, memory = (statistics.median(column) for column in zip(*results, strict=True))
            print(f"| {name} | {rows:,.0f} | {seconds:.2f} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
