import pickle

import numpy as np
import pytest

from models.score import intervals


def users(count: int, seed: int, faithful: float = 0.9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected spend, chance to buy, and zero-inflated gamma spend; who is expected to spend more buys surer."""
    random = np.random.default_rng(seed)
    predictions = random.gamma(1.0, 100.0, count)
    chance = np.clip(predictions / 300, 0.1, faithful)
    amount = random.gamma(2.0, predictions / chance / 2)
    return predictions, chance, np.where(random.random(count) < chance, amount, 0.0)


def inside(fitted: intervals.Intervals, predictions: np.ndarray, chance: np.ndarray, true: np.ndarray) -> np.ndarray:
    low, high = fitted.bounds(predictions, chance)
    assert (low >= 0).all()
    assert (low <= predictions).all()
    assert (high >= predictions).all()
    return (true >= low) & (true <= high)


def tenths(by: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(by, kind="stable"), kind="stable") * 10 // len(by)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("faithful", [0.9, 1.0])
def test_four_in_five_are_inside_in_every_tenth(seed: int, faithful: float) -> None:
    folds = [users(8_000, seed, faithful), users(8_000, seed + 10, faithful)]
    later, chance, truth = users(40_000, seed + 20, faithful)
    fitted = intervals.fit([f[0] for f in folds], [f[2] for f in folds], float(later.mean()))
    covered = inside(fitted, later, chance, truth)
    assert 0.79 <= covered.mean() <= 0.85
    some = chance > 0.25  # who buys less likely is covered by 0 alone
    for by in (later[some], chance[some]):
        shares = [covered[some][tenths(by) == tenth].mean() for tenth in range(10)]
        assert min(shares) >= 0.75
        assert max(shares) <= 0.87  # a chance of nothing between 5 and 10 % covers up to .85


def test_users_of_one_expectation_differ_by_their_chance() -> None:
    random = np.random.default_rng(3)
    chance = random.uniform(0.2, 1.0, 40_000)
    expected = np.full(40_000, 50.0)
    true = np.where(random.random(40_000) < chance, random.exponential(50 / chance), 0.0)
    fitted = intervals.fit([expected], [true], 50.0)
    for least in (0.2, 0.4, 0.6, 0.8):
        some = (chance >= least) & (chance < least + 0.2)
        assert inside(fitted, expected[some], chance[some], true[some]).mean() == pytest.approx(0.8, abs=0.04)


def test_the_lower_end_is_above_zero_where_nearly_all_buy_and_quantiles_rise() -> None:
    expected, _, true = users(8_000, 0, faithful=1.0)
    fitted = intervals.fit([expected], [true], 100.0)
    low, high = fitted.bounds([600.0, 600.0, 10.0], [0.99, 0.7, 0.1])
    assert low[0] > 0
    assert low[1] == low[2] == 0
    assert high[0] > 600
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    rising = [fitted.quantile([600.0, 10.0], [0.99, 0.1], level) for level in levels]
    assert (np.diff(rising, axis=0) >= 0).all()
    assert rising[3][1] == 0  # who buys with a chance of a tenth most likely buys nothing


def test_the_level_of_a_special_month_is_left_out() -> None:
    predictions, chance, true = users(8_000, 0)
    plain = intervals.fit([predictions], [true], 50.0).bounds(predictions, chance)
    np.testing.assert_allclose(intervals.fit([predictions * 3], [true * 7], 50.0).bounds(predictions, chance), plain)


def test_where_nobody_spent_only_the_expectation_is_above_nothing() -> None:
    low, high = intervals.fit([np.linspace(1, 2, 1_000)], [np.zeros(1_000)], 1.5).bounds([0.0, 1.0], [0.0, 0.1])
    assert low.tolist() == [0.0, 0.0]
    assert high.tolist() == [0.0, 1.0]


def test_a_longer_horizon_leaves_fewer_at_zero() -> None:
    predictions, true = np.ones(6_000), np.where(np.arange(6_000) % 2 == 0, 2.0, 0.0)
    shuffled = np.random.default_rng(5).permutation(true)
    low, high = intervals.fit([predictions], [shuffled], 1.0, windows=3.0).bounds([1.0], [1 - 0.5**3])
    # the mean of three coins of 0 or 2: 0, 2/3, 4/3 and 2 with chances 1, 3, 3 and 1 of 8
    assert low[0] == pytest.approx(0.0, abs=0.01)
    assert high[0] == pytest.approx(4 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("predictions", "true"), [([0.0, 0.0], [0.0, 0.0]), ([1.0, 2.0], [0.0, 9.0]), ([5.0] * 9, [5.0] * 9)]
)
def test_few_users_and_constants_are_finite_and_pickle(predictions: list[float], true: list[float]) -> None:
    fitted = pickle.loads(pickle.dumps(intervals.fit([predictions], [true], sum(predictions))))  # noqa: S301  (made in the line itself)
    assert np.isfinite(fitted.bounds([0.0, 1.0, 1e9], [0.0, 0.5, 1.0])).all()


def test_nobody_to_learn_from() -> None:
    with pytest.raises(ValueError, match="found 0"):
        intervals.fit([[]], [[]], 1.0)
