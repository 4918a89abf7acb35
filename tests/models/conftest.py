"""Small tables of users, made from a seed: no test needs the lake."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from features.feature import WINDOWS_DAYS
from models.protocol import LabelledUsers


def make_users(users: int, seed: int = 0) -> LabelledUsers:
    """Users whose spend per day drives both their windows and their future."""
    random = np.random.default_rng(seed)
    rate = random.gamma(1.0, 10.0, users)
    features = {
        f"purchase_days_{days}d": random.poisson(np.minimum(rate, 30) * days / 300) * 1.0 for days in WINDOWS_DAYS
    }
    features |= {f"spend_{days}d": rate * days * random.uniform(0.5, 1.5, users) for days in WINDOWS_DAYS}
    tenure = random.integers(1, 90, users).astype(float)
    repeats = np.random.default_rng(seed + 1_000).poisson(rate * tenure / 300) * 1.0
    features |= {
        "T": tenure,
        "recency": tenure / 2,
        "frequency": repeats,
        "monetary_value": rate * 10,
        "days_since_last_order": tenure / 2,
        "purchase_days_total": 1 + repeats,
        "spend_total": rate * tenure,
        "spend_decayed_56d": rate * 60 * np.random.default_rng(seed + 2_000).uniform(0.5, 1.5, users),
    }
    purchased = random.random(users) < np.minimum(rate / 20, 0.9)
    spend = np.where(purchased, rate * 28 * random.lognormal(0, 0.5, users), 0.0)
    frame = pd.DataFrame(features).assign(region=random.choice(["north", "south", "missing"], users))
    frame = frame.assign(**make_sequences(rate, random))
    return LabelledUsers(frame, pd.Series(spend), pd.Series(purchased))


def make_sequences(rate: NDArray[np.float64], random: np.random.Generator) -> dict[str, list[NDArray[np.float64]]]:
    """One to eight actions per user, whose spend follows the rate."""
    counts = random.integers(1, 9, len(rate))
    ages = [np.sort(random.choice(80, count, replace=False))[::-1] + 1 for count in counts]
    sequences = {
        "sequence_age": ages,
        "sequence_gap": [np.append(0, -np.diff(age)) for age in ages],
        "sequence_spend": [
            random.lognormal(np.log(one * 7), 0.3, count) for one, count in zip(rate, counts, strict=True)
        ],
    }
    return {name: [values.astype(np.float64) for values in lists] for name, lists in sequences.items()}


@pytest.fixture
def users() -> Callable[..., LabelledUsers]:
    return make_users
