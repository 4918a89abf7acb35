"""Forecast the total spend of the known users in the coming horizon, a separate question from which users spend it.

The forecast is a weighted mean of simple methods, weighted by their errors at past snapshots. Most methods forecast all
spend and multiply it by the known users' share; one ages the cohorts of known users. If the history contains the same
weeks of last year, all methods are corrected for how those weeks stood out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from models.level.cohort_spend import CohortSpend
from models.level.methods import METHODS, season
from models.level.year_ago import days_to_last_year
from models.measures.gini import Floats

MIN_HISTORY_DAYS = 28
"""Minimum days of history before a past snapshot."""

MAX_SNAPSHOTS = 52
"""Maximum number of past snapshots, one per week, whose errors count."""

UNTRIED_ERROR = 0.2
"""Assumed relative error of an untried method; weighs as much as one past snapshot."""

CONFIDENCE = 0.8
"""Coverage of the interval."""


@dataclass(frozen=True)
class Level:
    """Total net spend in the horizon of the users known at the snapshot, in money.

    Attributes:
        expected: the forecast.
        low, high: bounds of its 80 % interval.
        known_share: expected share of the known users in all spend.
        weights: weights of the methods, by name; they sum to 1.
        tried_days: horizon of the past forecasts behind weights and interval; shorter than the horizon if the history
            is short, 0 if it is too short for any.
    """

    expected: float
    low: float
    high: float
    known_share: float
    weights: Mapping[str, float]
    tried_days: int


def forecast(spend: CohortSpend, horizon_days: int, holidays: Mapping[date, str] | None = None) -> Level:
    """Forecast the total spend of the coming `horizon_days`.

    The 80 % interval is based on the errors that the same weighted mean would have made at past snapshots. Their
    windows overlap, so Student's t has as many degrees of freedom as disjoint horizons fit. Beyond `tried_days` the
    interval widens with the square root of time.

    Args:
        spend: daily spend by cohort.
        horizon_days: length of the horizon.
        holidays: names by day, for the years of history and horizon; moving holidays shift the season compared with.

    >>> days = [date(2024, 1, 1) + timedelta(days=n) for n in range(84)]
    >>> daily = pd.DataFrame({"first_day": days[0], "day": days, "spend": 10.0})
    >>> level = forecast(CohortSpend.of(daily, days[0], days[-1] + timedelta(days=1)), horizon_days=28)
    >>> round(level.expected), level.low < level.expected < level.high
    (280, True)
    """
    tried = min(horizon_days, spend.days // 3)
    past = backtest(spend, tried, holidays) if tried else pd.DataFrame()
    share = spend.known_share(horizon_days)
    forecasts = _methods(spend, share, horizon_days, holidays or {})
    weights = _weights(past, list(forecasts), tried)
    expected = _combined(forecasts, weights)
    width = _width(past, weights, tried) * np.sqrt(horizon_days / max(tried, 1))
    return Level(
        expected=expected,
        low=float(expected * np.exp(-width)),
        high=float(expected * np.exp(width)),
        known_share=share,
        weights=weights,
        tried_days=tried if len(past) else 0,
    )


def backtest(spend: CohortSpend, horizon_days: int, holidays: Mapping[date, str] | None = None) -> pd.DataFrame:
    """Forecast at past snapshots, one per week, from the days before each, and compare with what followed.

    Returns:
        One row per snapshot, oldest first: snapshot_date, day (number in the history), actual and forecast (money),
            error (logarithm of forecast / actual), known_share and actual_share of the known users in all spend, and
            the error of each method as `error_<method>`, NaN where the history was too short for it. No rows if no
            snapshot has `MIN_HISTORY_DAYS` before and `horizon_days` after it.

    >>> days = [date(2024, 1, 1) + timedelta(days=n) for n in range(42)]
    >>> daily = pd.DataFrame({"first_day": days[0], "day": days, "spend": 10.0})
    >>> spend = CohortSpend.of(daily, days[0], days[-1] + timedelta(days=1))
    >>> backtest(spend, horizon_days=14)[["day", "actual"]]
       day  actual
    0   28   140.0
    """
    rows: list[dict[str, Any]] = []
    newest = spend.days - horizon_days
    for day in range(newest - 7 * min(MAX_SNAPSHOTS - 1, (newest - MIN_HISTORY_DAYS) // 7), newest + 1, 7):
        seen, window = spend.before(day), slice(day, day + horizon_days)
        actual, everyone = float(spend.known[day, window].sum()), float(spend.total[window].sum())
        share = seen.known_share(horizon_days)
        forecasts = _methods(seen, share, horizon_days, holidays or {})
        matured = pd.DataFrame([row for row in rows if row["day"] + horizon_days <= day])
        expected = _combined(forecasts, _weights(matured, list(forecasts), horizon_days))
        row = {"snapshot_date": spend.first_day + timedelta(days=day), "day": day, "actual": actual}
        row |= {"forecast": expected, "error": _log_error(expected, actual)}
        row |= {
            "known_share": share,
            "actual_share": actual / everyone if everyone > 0 else 1.0,
        }
        rows.append(row | {f"error_{name}": _log_error(value, actual) for name, value in forecasts.items()})
    return pd.DataFrame(rows)


def _combined(forecasts: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Weighted geometric mean."""
    return float(np.exp(sum(weight * np.log(forecasts[name]) for name, weight in weights.items())))


def _methods(spend: CohortSpend, share: float, horizon_days: int, holidays: Mapping[date, str]) -> dict[str, float]:
    """Known users' spend in the horizon by each method with enough history; at least 0.01."""
    totals = {name: method(spend.total, horizon_days) for name, method in METHODS.items()}
    known = {name: share * value for name, value in totals.items() if value is not None}
    ageing = spend.ageing(horizon_days)
    if ageing is not None:
        known["cohort_ageing"] = ageing
    start = spend.first_day + timedelta(days=spend.days)
    factor = season(spend.total, horizon_days, days_to_last_year(start, horizon_days, holidays))
    return {name: max(value * factor, 0.01) for name, value in known.items()}


def _weights(past: pd.DataFrame, methods: Sequence[str], horizon_days: int) -> dict[str, float]:
    """Weights by inverse mean squared error; a snapshot's influence halves per horizon of age."""
    recency, precision = _recency(past, horizon_days), {}
    for name in methods:
        errors = past.get(f"error_{name}", pd.Series(np.nan, past.index)).to_numpy(dtype=np.float64)
        tried = np.isfinite(errors)
        squares = recency[tried] @ errors[tried] ** 2
        precision[name] = float((recency[tried].sum() + 1) / (squares + UNTRIED_ERROR**2))
    total = sum(precision.values())
    return {name: value / total for name, value in precision.items()}


def _width(past: pd.DataFrame, weights: Mapping[str, float], horizon_days: int) -> float:
    """Half width of the interval on the log scale.

    Where some methods had too little history, the others' weights are used.
    """
    quantile = (1 + CONFIDENCE) / 2
    if past.empty:
        return float(student.ppf(quantile, 1)) * UNTRIED_ERROR
    errors = past.reindex(columns=[f"error_{name}" for name in weights]).to_numpy(dtype=np.float64)
    possible = np.isfinite(errors) * np.array(list(weights.values()))
    counts = _recency(past, horizon_days) * possible.sum(axis=1)
    combined = (np.nan_to_num(errors) * possible).sum(axis=1) / np.maximum(possible.sum(axis=1), 1e-9)
    variance = (counts @ combined**2 + UNTRIED_ERROR**2) / (counts.sum() + 1)
    windows = 1 + (past["day"].max() - past["day"].min()) / horizon_days
    return float(student.ppf(quantile, windows) * np.sqrt(variance))


def _recency(past: pd.DataFrame, horizon_days: int) -> Floats:
    """Weight of each past snapshot; shape (snapshots,)."""
    if past.empty:
        return np.empty(0)
    return np.asarray(0.5 ** ((past["day"].max() - past["day"]).to_numpy(dtype=np.float64) / horizon_days))


def _log_error(forecast: float, actual: float) -> float:
    """Logarithm of forecast / actual, clipped to ±3 so that it is finite without spend."""
    if actual <= 0 and forecast <= 0:
        return 0.0
    return float(np.clip(np.log(max(forecast, 1e-9) / max(actual, 1e-9)), -3, 3))
