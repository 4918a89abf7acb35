"""Small tables of users, made from a seed: no test needs the lake."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.protocol import LabelledUsers

WINDOWS = (7, 14, 28, 56, 91, 182, 364)


def make_users(users: int, seed: int = 0) -> LabelledUsers:
    """Users whose spend per day drives both their windows and their future."""
    random = np.random.default_rng(seed)
    rate = random.gamma(1.0, 10.0, users)
    features = {f"orders_{days}d": random.poisson(np.minimum(rate, 30) * days / 300) * 1.0 for days in WINDOWS}
    features |= {f"spend_{days}d": rate * days * random.uniform(0.5, 1.5, users) for days in WINDOWS}
    tenure = random.integers(1, 90, users).astype(float)
    features |= {
        "T": tenure,
        "recency": tenure / 2,
        "frequency": np.floor(tenure / 10),
        "monetary_value": rate * 10,
        "days_since_last_order": tenure / 2,
        "order_days_total": 1 + np.floor(tenure / 10),
        "spend_total": rate * tenure,
    }
    purchased = random.random(users) < np.minimum(rate / 20, 0.9)
    spend = np.where(purchased, rate * 28 * random.lognormal(0, 0.5, users), 0.0)
    frame = pd.DataFrame(features).assign(region=random.choice(["north", "south", "missing"], users))
    return LabelledUsers(frame, pd.Series(spend), pd.Series(purchased))


@pytest.fixture
def users() -> Callable[..., LabelledUsers]:
    return make_users
