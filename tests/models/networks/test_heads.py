import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from scipy.special import expit

from models.networks.heads import two_part_loss


def loss(bought: float, amount: float, logit: float, log_mean: float) -> float:
    from keras import ops

    inputs = (np.array([[a, b]], dtype=np.float32) for a, b in ((bought, amount), (logit, log_mean)))
    return float(ops.convert_to_numpy(two_part_loss(*(ops.convert_to_tensor(i) for i in inputs)))[0])


def test_a_buyer_pays_cross_entropy_and_gamma_deviance() -> None:
    expected = -np.log(expit(0.3)) + 0.7 + 2 / np.exp(0.7)
    assert loss(1, 2, 0.3, 0.7) == pytest.approx(expected, rel=1e-5)


def test_a_non_buyer_pays_cross_entropy_alone() -> None:
    assert loss(0, 0, 0.3, 5) == pytest.approx(-np.log(1 - expit(0.3)), rel=1e-5)


def test_the_best_amount_is_the_mean() -> None:
    amounts, grid = (0.5, 4.5), np.linspace(0.2, 1.6, 141)
    totals = [sum(loss(1, amount, 0, value) for amount in amounts) for value in grid]
    assert np.exp(grid[int(np.argmin(totals))]) == pytest.approx(2.5, rel=0.01)


def test_it_stays_finite_far_out() -> None:
    assert np.isfinite([loss(1, 1e6, -100, -100), loss(1, 1e6, 100, 100), loss(0, 0, 100, 0)]).all()
