from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.level.methods import METHODS, damped_trend, previous_window, recent_level, robust_mean, season, weekly

YEARS = 2 * 364 + 56


AMOUNTS = st.lists(st.integers(0, 1_000).map(float), min_size=1, max_size=30)


@given(values=AMOUNTS)
def test_robust_mean_is_the_median_of_the_means_of_pairs(values: list[float]) -> None:
    pairs = combinations_with_replacement(values, 2)
    assert robust_mean(np.array(values)) == pytest.approx(np.median([(one + other) / 2 for one, other in pairs]))


@given(daily=AMOUNTS)
def test_weeks_are_the_newest_days(daily: list[float]) -> None:
    weeks = weekly(np.array(daily))
    assert len(weeks) == len(daily) // 7
    assert weeks.sum() == pytest.approx(sum(daily[len(daily) % 7 :]))


def test_weeks_are_counted_back_from_the_last_day() -> None:
    assert weekly(np.array([99.0, *[1.0] * 7, *[2.0] * 7])).tolist() == [7, 14]
    assert weekly(np.ones(6)).tolist() == []


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("horizon_days", [1, 7, 28, 30, 200])
def test_every_method_continues_a_constant(method, horizon_days: int) -> None:
    assert method(np.full(100, 10.0), horizon_days) == pytest.approx(10 * horizon_days)


def test_previous_window_of_a_short_history_is_its_rate() -> None:
    assert previous_window(np.array([1.0, 3.0]), 28) == 56


def test_the_day_of_the_week_cancels_out() -> None:
    days = np.tile([1.0, 1, 1, 1, 1, 4, 5], 10)
    for cut in range(7):
        assert recent_level(days[cut:], 14) == pytest.approx(28)


def test_one_enormous_order_and_one_empty_week_move_the_level_little() -> None:
    days = np.full(70, 10_000.0)
    days[60] += 444_000
    days[40:47] = 0
    assert recent_level(days, 28) == pytest.approx(280_000, rel=0.05)


def test_a_trend_goes_on_and_fades() -> None:
    growth = 0.02
    days = np.repeat(np.exp(growth * np.arange(20)), 7) / 7  # week k sums to exp(0.02 k)
    expected, ahead = 0.0, 19 * growth
    for week in range(1, 5):
        ahead += growth * 0.9**week
        expected += np.exp(ahead)
    assert damped_trend(days, 28) == pytest.approx(expected)
    assert damped_trend(days[-49:], 28) is None


def test_season_is_how_the_same_weeks_of_last_year_stood_out() -> None:
    days = np.full(YEARS, 10.0)
    days[YEARS - 364 : YEARS - 364 + 28] = 20
    days[YEARS - 728 : YEARS - 728 + 28] = 20
    assert season(days, 28) == pytest.approx(2.0, rel=0.02)


def test_noise_of_last_year_is_not_a_season() -> None:
    days = np.random.default_rng(0).gamma(2.0, 5.0, YEARS)
    assert season(days, 28) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "days", [np.full(400, 10.0), np.full(YEARS, 10.0), np.zeros(YEARS)], ids=["short", "constant", "nothing"]
)
def test_no_season(days: np.ndarray) -> None:
    assert season(days, 28) == pytest.approx(1.0)
    assert season(days, 400) == 1.0


def test_growth_of_a_young_shop_is_not_a_season() -> None:
    days = 10 * np.sqrt(np.arange(1, 451))
    assert season(days, 91) == pytest.approx(1.0, abs=0.05)
