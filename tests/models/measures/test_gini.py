import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.measures.gini import bootstrap_interval, normalized_gini, paired_bootstrap


def pairwise_gini(spend: np.ndarray, prediction: np.ndarray) -> float:
    """The same coefficient from its other definition, over pairs of users: who is ranked above whom."""
    signs = np.sign(prediction[:, None] - prediction[None, :])
    best = np.sign(spend[:, None] - spend[None, :])
    money = spend[:, None] - spend[None, :]
    return float((signs * money).sum() / (best * money).sum())


def test_perfect_reversed_and_constant_order() -> None:
    spend = [0.0, 1.0, 5.0]
    assert normalized_gini(spend, [1, 2, 3]) == pytest.approx(1)
    assert normalized_gini(spend, [3, 2, 1]) == pytest.approx(-1)
    assert normalized_gini(spend, [7, 7, 7]) == pytest.approx(0)


def test_tied_users_share_their_average_whatever_the_order_of_rows() -> None:
    # of 6 in all, users see 2/6 2/6 5/6 5/6 on the way; in the perfect order 2/6 5/6 6/6 6/6
    assert normalized_gini([4, 0, 2, 0], [2, 2, 1, 1]) == pytest.approx(normalized_gini([0, 4, 0, 2], [2, 2, 1, 1]))
    assert normalized_gini([4, 0, 2, 0], [2, 2, 1, 1]) == pytest.approx((28 / 24 - 1) / (38 / 24 - 1))


@given(users=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 9)), min_size=2, max_size=40))
def test_agrees_with_the_definition_over_pairs(users: list[tuple[int, int]]) -> None:
    spend, prediction = np.array(users, dtype=float).T
    assume(np.ptp(spend) > 0)
    assert normalized_gini(spend, prediction) == pytest.approx(pairwise_gini(spend, prediction), abs=1e-9)


def test_net_returns_count_as_no_spend() -> None:
    assert normalized_gini([-50, 0, 10], [2, 1, 3]) == pytest.approx(normalized_gini([0, 0, 10], [2, 1, 3]))


@pytest.mark.parametrize("spend", [[0, 0, 0], [5, 5, 5], [3]])
def test_no_order_is_better_when_all_spend_the_same(spend: list[float]) -> None:
    assert normalized_gini(spend, list(range(len(spend)))) == 0


def test_a_model_against_itself_is_no_better() -> None:
    spend, prediction = np.arange(50.0), np.arange(50.0) % 7
    assert paired_bootstrap(spend, prediction, prediction, samples=20, seed=0) == (0.0, 0.0, 0.5)


def test_a_clearly_better_model_wins_in_every_sample_and_the_seed_decides_the_samples() -> None:
    random = np.random.default_rng(0)
    spend = random.gamma(0.5, 100, 2_000)
    noise = random.gamma(0.5, 100, 2_000)
    estimate, error, better = paired_bootstrap(spend, spend, noise, samples=50, seed=1)
    assert estimate == pytest.approx(1 - normalized_gini(spend, noise))
    assert 0 < error < 0.1
    assert better == 1
    assert paired_bootstrap(spend, spend, noise, 50, 1) == (estimate, error, better)
    assert paired_bootstrap(spend, spend, noise, 50, 0) != (estimate, error, better)


def test_the_standard_error_is_that_of_explicit_resampling() -> None:
    random = np.random.default_rng(5)
    spend = random.gamma(0.5, 100, 300)
    prediction = spend + random.normal(0, 80, 300)
    draws = [random.integers(300, size=300) for _ in range(400)]
    explicit = [normalized_gini(spend[rows], prediction[rows]) for rows in draws]
    _, error, _ = paired_bootstrap(spend, prediction, np.zeros(300), samples=400, seed=0)
    assert error == pytest.approx(np.std(explicit), rel=0.2)


def test_the_interval_holds_the_estimate() -> None:
    random = np.random.default_rng(0)
    spend = random.gamma(0.5, 100, 500)
    prediction = spend + random.normal(0, 50, 500)
    low, high = bootstrap_interval(spend, prediction, samples=100, seed=0)
    assert low < normalized_gini(spend, prediction) < high
