import numpy as np
import pytest

from models.blend import equal_weights, fitted_weights


def test_equal() -> None:
    assert equal_weights(4) == [0.25] * 4


def test_fitted_finds_the_mixture_that_made_the_spend() -> None:
    random = np.random.default_rng(0)
    first, second = random.gamma(1, 100, 3_000), random.gamma(1, 100, 3_000)
    weights = fitted_weights([first, second], 0.75 * first + 0.25 * second)
    assert weights == pytest.approx([0.75, 0.25], abs=0.03)  # the cut tail bends them a little


def test_a_member_that_points_the_wrong_way_gets_nothing() -> None:
    spend = np.arange(1.0, 100)
    weights = fitted_weights([spend, 100 - spend], spend)
    assert weights[0] == pytest.approx(1, abs=0.02)
    assert min(weights) >= 0


def test_nothing_to_explain_gives_equal_weights() -> None:
    assert fitted_weights([np.ones(5), np.ones(5)], np.zeros(5)) == [0.5, 0.5]
