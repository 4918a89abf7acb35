"""Intervals of a user's spend: coverage by tenth and pinball loss, beside other ways to get them.

    python -m benchmarks.intervals                       (in a home with a retraining, such as that of `make demo`)
    python -m benchmarks.intervals --snapshot-date 2001-02-01 --splits 5

The users of the test window are halved at random: one half teaches each way, the other measures it. LightGBM
learns quantiles from all features, the others from the champion's predictions.
"""

import argparse
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor

from models.encoding import TreeEncoder
from models.score import intervals
from models.score.calibration import prediction_groups
from pipelines.evaluate.compared_models import predict
from pipelines.results.result import read_result
from pipelines.results.training import Split, Trained
from pipelines.settings import load_settings

LEVELS = (0.1, 0.5, 0.9)


class Users(NamedTuple):
    """Test users: expected spend, chance to buy, true spend, and features."""

    expected: np.ndarray
    chance: np.ndarray
    spend: np.ndarray
    features: pd.DataFrame

    def part(self, rows: np.ndarray) -> "Users":
        """Choose some users."""
        return Users(self.expected[rows], self.chance[rows], self.spend[rows], self.features[rows])


Quantile = Callable[[Users, float | np.ndarray], np.ndarray]


def laws(learn: Users) -> Quantile:
    """Purse's: a chance of nothing and laws of what a buyer spends."""
    fitted = intervals.fit([learn.expected], [learn.spend], float(learn.expected.mean()))
    scale = learn.spend.mean() / learn.expected.mean()  # laws are relative; the level has an interval of its own
    return lambda users, level: fitted.quantile(users.expected, users.chance, level) * scale


def by_expectation(learn: Users) -> Quantile:
    """Quantiles of spend over expected spend, in 20 groups by expected spend."""
    group = prediction_groups(learn.expected, 20)
    centres = np.array([learn.expected[group == one].mean() for one in range(group.max() + 1)])
    multiples = [np.sort(learn.spend[group == one] / centres[one]) for one in range(group.max() + 1)]

    def quantile(users: Users, level: float | np.ndarray) -> np.ndarray:
        levels = np.broadcast_to(level, users.expected.shape)
        nearest = np.abs(users.expected[:, None] - centres).argmin(axis=1)
        found = [np.quantile(multiples[one], q) for one, q in zip(nearest, levels, strict=True)]
        return np.array(found) * users.expected

    return quantile


def boosted(learn: Users) -> Quantile:
    """Quantile regression by LightGBM, one model per level; a level of each user takes the nearest of 19 models."""
    encoder = TreeEncoder().fit(learn.features)
    grid = np.linspace(0.05, 0.95, 19)
    options = {"objective": "quantile", "n_estimators": 150, "num_leaves": 15, "min_child_samples": 100}
    inputs = encoder.transform(learn.features)
    models = [LGBMRegressor(alpha=q, verbosity=-1, **options).fit(inputs, learn.spend) for q in grid]

    def quantile(users: Users, level: float | np.ndarray) -> np.ndarray:
        table = np.maximum(np.column_stack([model.predict(encoder.transform(users.features)) for model in models]), 0)
        nearest = np.abs(np.broadcast_to(level, users.expected.shape)[:, None] - grid).argmin(axis=1)
        return table[np.arange(len(table)), nearest]

    return quantile


WAYS = {"laws": laws, "by expected spend": by_expectation, "LightGBM quantiles": boosted}


def measures(users: Users, quantile: Quantile) -> dict[str, float]:
    """Pinball loss, and coverage of the 80 % interval in the tenths by expected spend and by chance to buy."""
    nothing = 1 - users.chance
    below = np.maximum(intervals.TAIL - nothing, 0)
    low, high = quantile(users, below), quantile(users, below + intervals.COVERAGE)
    inside = (users.spend >= np.where(below > 0, low, 0)) & (users.spend <= np.maximum(high, users.expected))
    tenths = [inside[part] for by in (users.expected, users.chance) for part in np.array_split(np.argsort(by), 10)]
    covered = [float(part.mean()) for part in tenths]
    found = {f"pinball {level:.0%}": _pinball(users.spend, quantile(users, level), level) for level in LEVELS}
    bought = users.spend > 0
    return found | {
        "coverage": float(inside.mean()),
        "lowest tenth": min(covered),
        "highest tenth": max(covered),
        "buyers above": float((users.spend > np.maximum(high, users.expected))[bought].mean()),
    }


def _pinball(spend: np.ndarray, quantile: np.ndarray, level: float) -> float:
    return float(np.maximum(level * (spend - quantile), (level - 1) * (spend - quantile)).mean())


def read_users(day: date | None) -> Users:
    """Predict the test users of a retraining; without a day, of the newest."""
    settings = load_settings()
    day = day or date.fromisoformat(sorted(settings.home_path.glob("results/*/train.json"))[-1].parent.name)
    compared = predict(settings, read_result(settings, day, Split), read_result(settings, day, Trained), None)
    predicted, users = compared.challenger, compared.users
    chance = np.clip(predicted["purchase_probability"].to_numpy(), intervals.SMALLEST, 1)
    spend = np.maximum(users.future_spend.to_numpy(), 0)
    return Users(predicted["expected_spend"].to_numpy(), chance, spend, users.features.reset_index(drop=True))


def main() -> None:
    """Measure each way on several halves of the users; print a table of means with standard errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshot-date", type=date.fromisoformat)
    parser.add_argument("--splits", type=int, default=5)
    given = parser.parse_args()
    users = read_users(given.snapshot_date)
    print(f"{len(users.expected):,} users, half of them measured, {given.splits} splits.\n")
    for place, (name, way) in enumerate(WAYS.items()):
        rows = []
        for seed in range(given.splits):
            half = np.random.default_rng(seed).permutation(len(users.expected)) % 2 == 0
            rows.append(measures(users.part(~half), way(users.part(half))))
        table = pd.DataFrame(rows)
        if not place:
            print("| quantiles | " + " | ".join(table) + " |\n|---" + "|---" * len(table.columns) + "|")
        cells = [f"{table[c].mean():.3f} ± {table[c].sem():.3f}" for c in table]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
