import pickle

import numpy as np
import pytest

from models.score import intervals


def users(count: int, seed: int, faithful: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Expected spend, and zero-inflated gamma spend with that mean; those who are expected to spend more buy surer."""
    random = np.random.default_rng(seed)
    predictions = random.gamma(1.0, 100.0, count)
    chance = np.clip(predictions / 300, 0.1, faithful)
    amount = random.gamma(2.0, predictions / chance / 2)
    return predictions, np.where(random.random(count) < chance, amount, 0.0)


def coverage(fitted: intervals.Intervals, predictions: np.ndarray, true: np.ndarray) -> float:
    low, high = fitted.bounds(predictions)
    assert (low >= 0).all()
    assert (high >= low).all()
    return float(((true >= low) & (true <= high)).mean())


@pytest.mark.parametrize("seed", range(3))
def test_four_in_five_are_inside(seed: int) -> None:
    folds = [users(8_000, seed), users(8_000, seed + 10)]
    later, truth = users(20_000, seed + 20)
    fitted = intervals.fit([f[0] for f in folds], [f[1] for f in folds], float(later.mean()))
    assert 0.78 <= coverage(fitted, later, truth) <= 0.82


def test_the_best_users_are_covered_too_and_their_intervals_are_wider() -> None:
    predictions, true = users(20_000, 0)
    later, truth = users(20_000, 1)
    fitted = intervals.fit([predictions], [true], float(later.mean()))
    best = later >= np.quantile(later, 0.8)
    assert 0.7 <= coverage(fitted, later[best], truth[best]) <= 0.9
    low, high = fitted.bounds([50.0, 500.0])
    assert high[1] - low[1] > 3 * (high[0] - low[0])


def test_lower_end_is_zero_where_one_in_ten_spends_nothing_and_not_where_all_buy() -> None:
    sure = users(8_000, 0, faithful=1.0)
    low, _ = intervals.fit([sure[0]], [sure[1]], 100.0).bounds([10.0, 600.0])
    assert low[0] == 0
    assert low[1] > 0


def test_the_level_of_a_special_month_is_left_out() -> None:
    predictions, true = users(8_000, 0)
    plain = intervals.fit([predictions], [true], 50.0).bounds(predictions)
    np.testing.assert_allclose(intervals.fit([predictions * 3], [true * 7], 50.0).bounds(predictions), plain)


def test_where_nearly_nobody_spends_the_interval_is_nothing() -> None:
    predictions = np.linspace(1, 2, 1_000)
    true = np.where(np.arange(1_000) % 20 == 0, 30.0, 0.0)
    low, high = intervals.fit([predictions], [true], 1.5).bounds([0.0, 1.0, 2.0])
    assert low.tolist() == high.tolist() == [0.0, 0.0, 0.0]


def test_a_longer_horizon_leaves_fewer_at_zero() -> None:
    predictions, true = np.ones(6_000), np.where(np.arange(6_000) % 2 == 0, 2.0, 0.0)
    shuffled = np.random.default_rng(5).permutation(true)
    low, high = intervals.fit([predictions], [shuffled], 1.0, windows=3.0).bounds([1.0])
    # the mean of three coins of 0 or 2: 0, 2/3, 4/3 and 2 with chances 1, 3, 3 and 1 of 8
    assert low[0] == pytest.approx(0.0, abs=0.01)
    assert high[0] == pytest.approx(4 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("predictions", "true"), [([0.0, 0.0], [0.0, 0.0]), ([1.0, 2.0], [0.0, 9.0]), ([5.0] * 9, [5.0] * 9)]
)
def test_few_users_and_constants_are_finite_and_pickle(predictions: list[float], true: list[float]) -> None:
    fitted = pickle.loads(pickle.dumps(intervals.fit([predictions], [true], sum(predictions))))  # noqa: S301  (made in the line itself)
    assert np.isfinite(fitted.bounds([0.0, 1.0, 1e9])).all()


def test_nobody_to_learn_from() -> None:
    with pytest.raises(ValueError, match="found 0"):
        intervals.fit([[]], [[]], 1.0)
