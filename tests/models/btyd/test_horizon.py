from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.btyd.horizon import windows_in_horizon
from models.protocol import LabelledUsers


def customers(number: int, days: int, seed: int = 0) -> LabelledUsers:
    """Customers who buy at a rate of their own until they leave, after 60 days in the mean; labels of `days`."""
    random = np.random.default_rng(seed)
    rate, life, tenure = random.gamma(1, 1 / 15, number), random.exponential(60, number), np.full(number, 60.0)
    repeats = random.poisson(rate * np.minimum(life, tenure))
    last = np.minimum(life, tenure) * random.random(number) ** (1 / np.maximum(repeats, 1))
    later = random.poisson(rate * np.clip(life - tenure, 0, days))
    features = {"frequency": repeats * 1.0, "recency": np.where(repeats > 0, last, 0.0), "T": tenure}
    frame = pd.DataFrame(features).assign(spend_total=10.0 * (repeats + 1))
    return LabelledUsers(frame, pd.Series(10.0 * later), pd.Series(later > 0))


def test_fewer_windows_than_the_days_say_and_as_many_buyers_as_come() -> None:
    in_label, in_horizon = customers(20_000, 30), customers(20_000, 120)
    windows = windows_in_horizon(in_label, in_label.features, 30, 120)
    assert 1 < windows < 4
    # customers who are alike buy with the same probability, the share of them who did
    bought = in_label.purchased.groupby(in_label.features["frequency"]).transform("mean")
    assert np.mean(1 - (1 - bought) ** windows) == pytest.approx(in_horizon.purchased.mean(), rel=0.25)


def test_labels_of_the_whole_horizon_are_one_window(users: Callable[..., LabelledUsers]) -> None:
    assert windows_in_horizon(users(50), users(50).features, 28, 28) == 1


def test_nobody_ever_comes_back() -> None:
    features = customers(200, 30).features.assign(frequency=0.0, recency=0.0)
    gone = LabelledUsers(features, pd.Series(np.zeros(200)), pd.Series(np.zeros(200, dtype=bool)))
    assert 1 <= windows_in_horizon(gone, features, 30, 90) <= 3
