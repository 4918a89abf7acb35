import numpy as np
import pytest

from models.measures.gini import normalized_gini
from models.score.blend import SMALLEST_WEIGHT, blend, scales

RANDOM = np.random.default_rng(0)
SPEND = [RANDOM.gamma(0.5, 100, 2_000), RANDOM.gamma(0.5, 300, 2_000)]


def noisy(noise: float, seed: int, scale: float = 1.0) -> list[np.ndarray]:
    """Predictions that are off by independent lognormal factors."""
    random = np.random.default_rng(seed)
    return [scale * spend * random.lognormal(0, noise, len(spend)) for spend in SPEND]


def test_members_that_err_differently_are_better_together() -> None:
    members = [noisy(1.0, seed) for seed in range(3)]
    result = blend(members, SPEND)
    alone = [np.mean([normalized_gini(s, p) for s, p in zip(SPEND, member, strict=True)]) for member in members]
    assert sum(result.weights) == pytest.approx(1)
    assert min(result.weights) > 0.05
    assert result.ngini > max(alone) + 0.02
    together = [normalized_gini(s, p) for s, p in zip(SPEND, result.predictions, strict=True)]
    assert np.mean(together) == pytest.approx(result.ngini)


def test_a_better_member_weighs_more_and_a_bad_one_nothing() -> None:
    weights = blend([noisy(1.5, 0), noisy(1.4, 1), noisy(9.0, 2)], SPEND).weights
    assert weights[1] > weights[0] > SMALLEST_WEIGHT
    assert weights[2] == 0


def test_weights_do_not_depend_on_money() -> None:
    dear, cheap = ([noisy(1.0, 0, scale), noisy(1.0, 1)] for scale in (1_000.0, 1.0))
    assert blend(dear, SPEND).weights == pytest.approx(blend(cheap, SPEND).weights)
    assert blend(dear, SPEND).ngini == pytest.approx(blend(cheap, SPEND).ngini)


def test_a_blend_that_is_no_better_than_its_best_member_is_that_member() -> None:
    perfect = [spend.copy() for spend in SPEND]
    result = blend([noisy(2.0, 0), perfect], SPEND)
    assert result.weights == [0, 1]
    assert result.ngini == pytest.approx(1)


def test_nobody_spends_anything() -> None:
    assert sum(blend([[np.ones(5)], [np.ones(5)]], [np.zeros(5)]).weights) == 1


def test_scales_bring_all_to_the_weighted_mean() -> None:
    assert scales([100.0, 300.0], [0.25, 0.75]) == pytest.approx([2.5, 250 / 300])
    assert scales([0.0, 300.0], [0.5, 0.5]) == pytest.approx([1.0, 0.5])
