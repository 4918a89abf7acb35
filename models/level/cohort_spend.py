"""Daily spend after each past snapshot of the users known at it: the history that the level is forecast from."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.level.methods import robust_mean, weekly
from models.measures.gini import Floats
from models.measures.metrics import TAIL

MEMORY_DAYS = 1_092
"""Maximum days of history, three years of weeks; users from before it count as known from its start."""

AGEING_WEEKS = 8
"""Weeks that the ageing of cohorts is learned from."""

SHARE_DAYS = 182
"""Past days that the known users' share of spend is learned from."""

SHARE_HALF_LIFE_DAYS = 28
"""Age at which the weight of one of those days is halved."""


@dataclass(frozen=True)
class CohortSpend:
    """Daily net spend by cohort, for the days `[first_day, first_day + days)`.

    Attributes:
        first_day: date of the first column.
        known: spend on each day (column) of users whose first purchase precedes the day of the row; shape (days + 1,
            days). The last row covers all users, so each row is a past snapshot with the later spend of its users.
        recorded_days: days of history before the first column, if it was cut to `MEMORY_DAYS`.

    >>> day = date(2024, 1, 1)
    >>> daily = pd.DataFrame({"first_day": [day], "day": [day], "spend": [30.0]})
    >>> spend = CohortSpend.of(daily, day, day + timedelta(days=2))
    >>> spend.total.tolist(), spend.known.shape
    ([30.0, 0.0], (3, 2))
    """

    first_day: date
    known: Floats
    recorded_days: int = 0

    @classmethod
    def of(cls, daily: pd.DataFrame, first_day: date, end: date) -> Self:
        """Arrange the days from `first_day` up to, and excluding, `end`.

        Args:
            daily: one row per `first_day` (a user's first purchase day) and `day`, with the net `spend` on that day of
                all users with that first day; rows from `end` on are ignored.
            first_day: first day of the data.
            end: exclusive.

        Raises:
            ValueError: no day.
        """
        recorded = (end - first_day).days
        if recorded < 1:
            raise ValueError(f"Expected at least one day of history, found {first_day} to {end}: load earlier days.")
        cut = max(recorded - MEMORY_DAYS, 0)
        day = (pd.to_datetime(daily["day"]) - pd.Timestamp(first_day)).dt.days.to_numpy() - cut
        cohort = (pd.to_datetime(daily["first_day"]) - pd.Timestamp(first_day)).dt.days.to_numpy() - cut
        days = recorded - cut
        seen = (day >= 0) & (day < days) & (cohort < days)
        known = np.zeros((days + 1, days))
        np.add.at(known, (np.maximum(cohort[seen], -1) + 1, day[seen]), daily["spend"].to_numpy(np.float64)[seen])
        return cls(first_day + timedelta(days=cut), known.cumsum(axis=0), cut)

    @property
    def days(self) -> int:
        """Number of days of history."""
        return self.known.shape[1]

    @property
    def total(self) -> Floats:
        """Spend of all users; shape (days,)."""
        return np.asarray(self.known[-1])

    def before(self, day: int) -> "CohortSpend":
        """History as known at the start of a day, counted from 0."""
        return CohortSpend(self.first_day, self.known[: day + 1, :day], self.recorded_days)

    def known_share(self, horizon_days: int) -> float:
        """Expected share of the users known now in the spend of the coming horizon; new users have the rest.

        After each of about 50 past snapshots, the share of users new since then is observed on each recent day. It
        grows with the days since the snapshot and falls as the recorded history grows: a logistic regression on the
        logarithms of both. Special days affect all users equally and cancel out.
        """
        origins = np.arange(self.days - 7, 0, -7 * (1 + self.days // 364))
        observed = np.arange(max(self.days - SHARE_DAYS, 0), self.days)
        snapshot, day = (index.ravel() for index in np.meshgrid(origins, observed, indexing="ij"))
        snapshot, day = snapshot[day >= snapshot], day[day >= snapshot]
        total = np.maximum(self.total[day], 0)
        weight = total * 0.5 ** ((self.days - day) / SHARE_HALF_LIFE_DAYS)
        if not weight.sum() > 0:
            return 1.0
        new = np.clip(1 - self.known[snapshot, day] / np.where(total > 0, total, 1), 0, 1)
        inputs = np.log(np.column_stack([self.recorded_days + snapshot, day - snapshot + 1]))
        weights = np.concatenate([weight * new, weight * (1 - new)]) * len(weight) / weight.sum()
        if not weights[: len(new)].sum() > 0:
            return 1.0
        model = LogisticRegression().fit(np.vstack([inputs, inputs]), np.repeat([1, 0], len(new)), weights)
        ahead = np.column_stack([np.full(horizon_days, self.recorded_days + self.days), np.arange(1, horizon_days + 1)])
        return float(1 - model.predict_proba(np.log(ahead))[:, 1].mean())

    def ageing(self, horizon_days: int) -> float | None:
        """Forecast the known users' spend in the coming horizon by cohort ageing; None if the history is too short.

        Per money of its first day, a cohort of age a days spends level · a^slope per day: purchase rates that differ
        between customers, as in BTYD models, decay as a power, because the most loyal stay. The slope comes from a
        Poisson regression on the last `AGEING_WEEKS` weeks, the level from the robust mean of those weeks. It is the
        only method that needs no forecast of new users, and it adapts at once when a shop stops growing.
        """
        recent = AGEING_WEEKS * 7
        if self.days <= recent:
            return None
        start = np.maximum(self.known.diagonal(-1) - self.known.diagonal(), 0)  # each cohort's spend on its first day
        days = np.arange(self.days - recent, self.days)
        spend = self.known.diagonal()[days]
        slope = _ageing_slope(np.diff(self.known[:, days], axis=0), start, days)
        ratios = weekly(spend) / np.maximum(weekly(_expected(start, days, slope)), 1e-9)
        ahead = _expected(start, np.arange(self.days, self.days + horizon_days), slope)
        return robust_mean(ratios) * float(ahead.sum())


def _expected(start: Floats, days: NDArray[np.intp], slope: float) -> Floats:
    """Expected spend of all cohorts on each day, up to the level; shape (days,)."""
    cohorts = np.arange(len(start))
    return np.array([start[cohorts < day] @ (day - cohorts[cohorts < day]).astype(np.float64) ** slope for day in days])


def _ageing_slope(cells: Floats, start: Floats, days: NDArray[np.intp]) -> float:
    """Exponent of age with the highest Poisson likelihood, between -1.5 and 0.

    Args:
        cells: spend of each cohort on each day; shape (cohorts, days). A cell out of proportion to the cohort's first
            day is a single enormous order and is clipped at the `TAIL` quantile of the proportions.
        start: spend of each cohort on its first day.
        days: day number of each column; cohorts are numbered by their first day.
    """
    age = days - np.arange(len(start))[:, None]
    seen = (age > 0) & (start > 0)[:, None]
    if not seen.any():
        return 0.0
    first, age = np.broadcast_to(start[:, None], cells.shape)[seen], age[seen]
    proportion = np.maximum(cells[seen], 0) / first
    spend = np.bincount(age, np.minimum(proportion, np.quantile(proportion, TAIL)) * first)[1:]
    exposed, ages = np.bincount(age, first)[1:], np.arange(1, age.max() + 1, dtype=np.float64)
    slopes = np.linspace(-1.5, 0, 151)
    expected = np.maximum(exposed @ ages[:, None] ** slopes, 1e-9)
    return float(slopes[int(np.argmax(slopes * (spend @ np.log(ages)) - spend.sum() * np.log(expected)))])
