"""Size, latency and nGini of one network in 32 bits, in 8 bits and pruned, on the test window of a finished backtest.

    purse backtest tafeng --cutoff 2001-02-01 --horizon-days 28
    python benchmarks/compression.py tafeng 2001-02-01 28 --family rnn

It fits the family with its default hyperparameters on the snapshots of the backtest's final fit, and prints the table
of benchmarks/compression.md.
"""

import argparse
import os
import pickle
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median
from time import perf_counter
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from cli.backtest import own_settings
from models.measures.gini import normalized_gini, paired_bootstrap
from models.protocol import LabelledUsers
from pipelines.results.result import read_result
from pipelines.results.training import Split
from pipelines.retraining.fitting import build_model
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import load_settings

VARIANTS = (("float32", 0.0), ("int8", 0.0), ("pruned", 0.2), ("pruned", 0.5), ("pruned", 0.8))
MANY = 10_000
SAMPLES = 200
SEED = 0


def main() -> None:
    """Fit the network and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("cutoff", type=date.fromisoformat)
    parser.add_argument("horizon_days", type=int)
    parser.add_argument("--family", default="rnn")
    given = parser.parse_args()
    model, test = fitted(given.source, given.cutoff, given.horizon_days, given.family)
    print(f"{given.source}, cutoff {given.cutoff}, {given.horizon_days} days, {len(test):,} users, {given.family}\n")
    print("| variant | pickled, KiB | 1 user, ms | 10,000 users, ms | nGini | nGini lost (standard error) |")
    print("|---|---|---|---|---|---|")
    whole = model.predict(test.features)["expected_spend"]
    for variant, sparsity in VARIANTS:
        small = model.compressed(variant, sparsity)
        name = f"{variant}, {sparsity:.0%} dropped" if variant == "pruned" else variant
        print(f"| {name} | {' | '.join(row(small, test, whole))} |", flush=True)


def fitted(source: str, cutoff: date, horizon_days: int, family: str) -> tuple[Any, LabelledUsers]:
    """Fit the network as `purse train` does; return it and the users of the test snapshot."""
    settings = own_settings(load_settings(), source, cutoff, horizon_days, None, None)
    end = cutoff + timedelta(days=horizon_days)
    split = read_result(settings, end, Split)
    training = read_labelled(settings, split, split.final).users
    test = read_labelled(settings, split, [split.test]).users
    return build_model(settings, family, {}, settings.training.seed, split.label_days).fit(training), test


def row(model: Any, test: LabelledUsers, whole: pd.Series) -> list[str]:  # noqa: ANN401 - a network of any family
    """Size, median latencies, nGini, and the nGini lost against the 32-bit network."""
    said = model.predict(test.features)["expected_spend"]
    spend = test.future_spend.to_numpy()
    gain, error, _ = paired_bootstrap(spend, said, whole, SAMPLES, SEED)
    one = test.features.iloc[[0]]
    many = test.features.iloc[np.random.default_rng(SEED).integers(len(test), size=MANY)].reset_index(drop=True)
    return [
        f"{len(pickle.dumps(model)) / 1024:,.0f}",
        f"{milliseconds(lambda: model.predict(one), 30):.1f}",
        f"{milliseconds(lambda: model.predict(many), 5):,.0f}",
        f"{normalized_gini(spend, said):.4f}",
        f"{-gain:+.4f} ({error:.4f})",
    ]


def milliseconds(work: Callable[[], object], times: int) -> float:
    """Median of some runs after a warm-up run."""
    work()
    spans = []
    for _ in range(times):
        started = perf_counter()
        work()
        spans.append(perf_counter() - started)
    return 1_000 * median(spans)


if __name__ == "__main__":
    main()
