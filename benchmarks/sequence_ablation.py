"""The CNN-LSTM family beside the same network without sequences, on simulated marketplaces.

    python benchmarks/sequence_ablation.py [--users 4000] [--days 150] [--shops 2] [--seeds 3]

Each shop is simulated, loaded and built as `purse backtest` does it. Both networks have the same defaults and learn
from the snapshots of one retraining, whose labels end before the test window of 28 days. The ablation, `mlp`,
differs in its reader only: it gets the same features and no sequences. Standard errors are from a bootstrap over users.
"""

import argparse
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pandas as pd
from rich.console import Console

from marketplace.plan import Plan
from models import catalog
from models.comparison import compare
from pipelines import build_features
from pipelines.backtest import own_settings
from pipelines.ingest import ingest
from pipelines.lake import UNDATED
from pipelines.results import read_result, write_result
from pipelines.settings import Settings, load_settings
from pipelines.simulate import simulate
from pipelines.split import read_labelled, split
from pipelines.validate import validate

FIRST, HORIZON = date(2024, 1, 1), 28
FAMILIES = {"cnn_lstm": "cnn_lstm", "without sequences": "mlp"}


def prepare(home: Path, users: int, days: int, seed: int) -> tuple[Settings, date]:
    """Simulate a shop and write its training set; the settings, and the date of the retraining."""
    end = FIRST + timedelta(days=days)
    made = simulate(load_settings(), Plan(users, days, seed, FIRST), home / f"shop-{seed}", Console(stderr=True))
    settings = own_settings(load_settings().with_changes(home=home), made["source"], end, HORIZON, ["cnn_lstm"], None)
    for step in (ingest, validate):
        step(settings, UNDATED + timedelta(days=1), end)
    write_result(settings, end, "build_features", build_features.build_features(settings, end, "training"))
    write_result(settings, end, "split", split(settings, end))
    return settings, end


def measure(settings: Settings, end: date, seeds: int) -> pd.DataFrame:
    """What both networks reach on the test window: nGini and the lead of the first, by seed, and their mean answer."""
    kept = read_result(settings, end, "split")
    learn = read_labelled(settings, end, [date.fromisoformat(day) for day in kept["final"]])[1]
    test = read_labelled(settings, end, [date.fromisoformat(kept["test"])])[1]
    said: dict[str, list[pd.DataFrame]] = {name: [] for name in FAMILIES}
    for seed in range(seeds):
        for name, family in FAMILIES.items():
            network = catalog.build(family, {}, seed=seed, threads=2, horizon_days=HORIZON)
            said[name].append(network.fit(learn).predict(test.features))
    both = [{name: answers[seed] for name, answers in said.items()} for seed in range(seeds)]
    both.append({name: sum(answers[1:], answers[0]) / seeds for name, answers in said.items()})
    found = pd.concat(
        [compare(test, one).assign(seed=seed) for seed, one in zip([*range(seeds), "all"], both, strict=True)]
    )
    return found.assign(learned_from=len(learn), users=len(test))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 4_000), ("days", 150), ("shops", 2), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    build_features.check = lambda *_: {}  # type: ignore[assignment]
    print("| shop | rows learned from | users | seed | cnn_lstm | without sequences | lead (standard error) |")
    print("|---|---|---|---|---|---|---|")
    began = time.process_time()
    for number in range(arguments.shops):
        with tempfile.TemporaryDirectory() as home:
            settings, end = prepare(Path(home), arguments.users, arguments.days, number)
            found = measure(settings, end, arguments.seeds)
        for seed, pair in found.groupby("seed", sort=False):
            one, other = pair.loc["cnn_lstm"], pair.loc["without sequences"]
            shop = f"{number} | {one.learned_from:,} | {one.users:,} | {seed}"
            lead = f"{other.lead_ngini:+.4f} ({other.lead_ngini_se:.4f})"
            print(f"| {shop} | {one.ngini:.4f} | {other.ngini:.4f} | {lead} |", flush=True)
    print(f"\n{time.process_time() - began:.0f} seconds of the processor.")


if __name__ == "__main__":
    main()
