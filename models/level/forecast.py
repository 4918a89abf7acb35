"""How much the known users together will spend in the coming horizon, which is another question than who of them.

The forecast is a mean of simple methods, weighted by how well each did at past snapshots. Most forecast all spend
and multiply it with the share that users who are known now will have in it; one ages the cohorts of known users. Where
there are the same weeks of last year, all are corrected for how those stood out.
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
"""Days that a past snapshot needs before it to be forecast from."""

MAX_SNAPSHOTS = 52
"""Past snapshots, one a week, whose errors are counted."""

UNTRIED_ERROR = 0.2
"""Typical relative error of a method that was never tried; counts like one past snapshot."""

CONFIDENCE = 0.8


@dataclass(frozen=True)
class Level:
    """Total net spend in the horizon of the users known at the snapshot, in money.

    Attributes:
        expected: the forecast.
        low, high: bounds of its 80 % interval.
        known_share: expected share of the known users in everyone's spend.
        weights: of the methods, by name; they sum to 1.
        tried_days: horizon of the past forecasts that weights and interval come from; shorter than the horizon where
            the history is short, 0 where it is too short for any.
    """

    expected: float
    low: float
    high: float
    known_share: float
    weights: Mapping[str, float]
    tried_days: int


def forecast(spend: CohortSpend, horizon_days: int, holidays: Mapping[date, str] | None = None) -> Level:
    """Forecast the total of the coming `horizon_days`.

    The 80 % interval is as wide as the same mean of methods would have erred at past snapshots. Those overlap:
    Student's t has as many degrees of freedom as horizons fit side by side. Beyond `tried_days` it widens with the root
    of time. `holidays` are names by day, of the years of history and horizon: where they move, the season is that of
    last year's same holidays.
    """
    tried = min(horizon_days, spend.days // 3)
    past = backtest(spend, tried, holidays) if tried else pd.DataFrame()
    share = spend.known_share(horizon_days)
    said = _methods(spend, share, horizon_days, holidays or {})
    weights = _weights(past, list(said), tried)
    expected = _combined(said, weights)
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
    """What would have been forecast at past snapshots, one a week, from the days before each only, and what came.

    Returns:
        One row per snapshot, oldest first: snapshot_date, day (its number in the history), actual and forecast (money),
        error (the logarithm of forecast / actual), known_share and actual_share of known users in everyone's spend, and
        the error of each method as `error_<method>`, NaN where the history was too short for it. No rows where no
        snapshot has `MIN_HISTORY_DAYS` before and `horizon_days` after it.
    """
    rows: list[dict[str, Any]] = []
    newest = spend.days - horizon_days
    for day in range(newest - 7 * min(MAX_SNAPSHOTS - 1, (newest - MIN_HISTORY_DAYS) // 7), newest + 1, 7):
        seen, window = spend.before(day), slice(day, day + horizon_days)
        actual, everyone = float(spend.known[day, window].sum()), float(spend.total[window].sum())
        share = seen.known_share(horizon_days)
        said = _methods(seen, share, horizon_days, holidays or {})
        matured = pd.DataFrame([row for row in rows if row["day"] + horizon_days <= day])
        expected = _combined(said, _weights(matured, list(said), horizon_days))
        row = {"snapshot_date": spend.first_day + timedelta(days=day), "day": day, "actual": actual}
        row |= {"forecast": expected, "error": _log_error(expected, actual)}
        row |= {
            "known_share": share,
            "actual_share": actual / everyone if everyone > 0 else 1.0,
        }
        rows.append(row | {f"error_{name}": _log_error(value, actual) for name, value in said.items()})
    return pd.DataFrame(rows)


def _combined(said: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted geometric mean."""
    return float(np.exp(sum(weight * np.log(said[name]) for name, weight in weights.items())))


def _methods(spend: CohortSpend, share: float, horizon_days: int, holidays: Mapping[date, str]) -> dict[str, float]:
    """The known users' spend in the horizon by each method that the history is long enough for; 0.01 or more."""
    said = {name: method(spend.total, horizon_days) for name, method in METHODS.items()}
    known = {name: share * value for name, value in said.items() if value is not None}
    ageing = spend.ageing(horizon_days)
    if ageing is not None:
        known["cohort_ageing"] = ageing
    start = spend.first_day + timedelta(days=spend.days)
    factor = season(spend.total, horizon_days, days_to_last_year(start, horizon_days, holidays))
    return {name: max(value * factor, 0.01) for name, value in known.items()}


def _weights(past: pd.DataFrame, methods: Sequence[str], horizon_days: int) -> dict[str, float]:
    """Weights by the inverse of the mean squared error; newer snapshots count more, half as much a horizon ago."""
    recency, precision = _recency(past, horizon_days), {}
    for name in methods:
        errors = past.get(f"error_{name}", pd.Series(np.nan, past.index)).to_numpy(dtype=np.float64)
        tried = np.isfinite(errors)
        squares = recency[tried] @ errors[tried] ** 2
        precision[name] = float((recency[tried].sum() + 1) / (squares + UNTRIED_ERROR**2))
    total = sum(precision.values())
    return {name: value / total for name, value in precision.items()}


def _width(past: pd.DataFrame, weights: Mapping[str, float], horizon_days: int) -> float:
    """Half the width of the interval, on the logarithmic scale.

    A snapshot where not all methods were possible yet counts with the weights of those that were.
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
    """How much each past snapshot counts."""
    if past.empty:
        return np.empty(0)
    return np.asarray(0.5 ** ((past["day"].max() - past["day"]).to_numpy(dtype=np.float64) / horizon_days))


def _log_error(forecast: float, actual: float) -> float:
    """The logarithm of forecast / actual, within 3 either way: finite where nothing was spent."""
    if actual <= 0 and forecast <= 0:
        return 0.0
    return float(np.clip(np.log(max(forecast, 1e-9) / max(actual, 1e-9)), -3, 3))
