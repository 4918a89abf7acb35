from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models.level.cohort_spend import CohortSpend
from models.level.forecast import backtest, forecast

START = date(2024, 1, 1)


def shop(days: int, seed: int = 0, new_until: int = 10_000) -> CohortSpend:
    """Old users from the first day on and some new ones every day, with noise of a tenth a day."""
    random = np.random.default_rng(seed)
    known = np.zeros((days + 1, days))
    for first in range(min(days, new_until)):
        size = 400.0 if first == 0 else 10.0
        ages = np.arange(days - first)
        known[first + 1, first:] = size * np.where(ages == 0, 1.0, 0.2 * np.maximum(ages, 1) ** -0.3)
    return CohortSpend(START, known.cumsum(axis=0) * random.lognormal(0, 0.1, days))


@pytest.mark.parametrize(
    ("before", "horizon_days", "seed"),
    [*((90, 28, seed) for seed in range(3)), *((120, 200, seed) for seed in range(3)), (200, 28, 0), (450, 91, 0)],
)
def test_total_of_known_users_is_near_and_inside(seed: int, before: int, horizon_days: int) -> None:
    whole = shop(before + horizon_days, seed)
    actual, predictions = whole.known[before, before:].sum(), forecast(whole.before(before), horizon_days)
    assert predictions.expected == pytest.approx(actual, rel=0.15)
    assert predictions.low < actual < predictions.high
    assert sum(predictions.weights.values()) == pytest.approx(1.0)
    assert predictions.tried_days == min(horizon_days, before // 3)


def test_the_method_that_knows_that_nobody_new_comes_is_trusted() -> None:
    whole = shop(400, new_until=60)
    predictions = forecast(whole.before(200), 200)
    assert predictions.expected == pytest.approx(whole.known[200, 200:].sum(), rel=0.1)
    assert max(predictions.weights, key=lambda name: predictions.weights[name]) == "cohort_ageing"


@pytest.mark.parametrize("days", [1, 2, 8, 20])
def test_short_histories_are_finite_and_say_that_nothing_was_tried(days: int) -> None:
    predictions = forecast(shop(days), 28)
    assert 0 < predictions.low < predictions.expected < predictions.high < np.inf
    assert predictions.tried_days == 0


def test_nothing_spent_is_nothing_expected() -> None:
    predictions = forecast(CohortSpend(START, np.zeros((101, 100))), 28)
    assert predictions.expected == pytest.approx(0, abs=0.1)
    assert np.isfinite([predictions.low, predictions.high]).all()


def test_a_past_forecast_sees_nothing_of_what_came() -> None:
    spend = shop(120)
    changed = spend.known.copy()
    changed[:, 100:] *= 10
    plain, other = backtest(spend, 28), backtest(CohortSpend(START, changed), 28)
    pd.testing.assert_series_equal(plain["forecast"], other["forecast"])
    assert other["actual"].iloc[-1] > plain["actual"].iloc[-1]


def test_backtest_table() -> None:
    spend = shop(120)
    rows = backtest(spend, 28)
    assert rows["day"].tolist() == list(range(29, 93, 7))
    assert rows["snapshot_date"].iloc[-1] == START + timedelta(days=92)
    assert rows["actual"].iloc[-1] == pytest.approx(spend.known[92, 92:120].sum())
    np.testing.assert_allclose(rows["error"], np.log(rows["forecast"] / rows["actual"]))
    assert rows["error_cohort_ageing"].isna().tolist() == (rows["day"] <= 56).tolist()
    assert backtest(shop(50), 28).empty


def test_a_bumpier_past_widens_the_interval() -> None:
    calm, bumpy = shop(200), shop(200)
    weeks = np.repeat(np.random.default_rng(1).lognormal(0, 0.6, 29), 7)[:200]
    bumpy = CohortSpend(START, bumpy.known * weeks)
    wide, narrow = forecast(bumpy, 28), forecast(calm, 28)
    assert wide.high / wide.expected > 1.2 * narrow.high / narrow.expected
