"""What users who were known at a snapshot spent on each day after it: the past that the level is forecast from."""

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
"""Days of history that are looked at, three years of weeks; users from before them are known from the start."""

AGEING_WEEKS = 8
"""Weeks from which it is learned how cohorts age."""

SHARE_DAYS = 182
"""Past days from which the share of known users in a day's spend is learned."""

SHARE_HALF_LIFE_DAYS = 28
"""Of those, one so long ago counts half."""


@dataclass(frozen=True)
class CohortSpend:
    """Daily net spend by cohort, of the days `[first_day, first_day + days)`.

    Attributes:
        first_day: of the first column.
        known: shape (days + 1, days): spend on each day (column) of the users whose first purchase was before the day
            of the row. The last row is everyone's, so that a row is a past snapshot and what came of its users.
        recorded_days: days of history before the first column, where it was cut to `MEMORY_DAYS`.
    """

    first_day: date
    known: Floats
    recorded_days: int = 0

    @classmethod
    def of(cls, daily: pd.DataFrame, first_day: date, end: date) -> Self:
        """Arrange the days from `first_day` up to, and without, `end`.

        Args:
            daily: one row per `first_day` (a user's first purchase day) and `day`, with the net `spend` on it of all
                users who came that first day; rows from `end` on are not looked at.
            first_day: the first day of the data.
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
        """Days of history."""
        return self.known.shape[1]

    @property
    def total(self) -> Floats:
        """Everyone's spend of each day."""
        return np.asarray(self.known[-1])

    def before(self, day: int) -> "CohortSpend":
        """What was to be seen at the start of a day, counted from 0."""
        return CohortSpend(self.first_day, self.known[: day + 1, :day], self.recorded_days)

    def known_share(self, horizon_days: int) -> float:
        """Expected share of users known now in the spend of the coming horizon; the others will be new.

        On each recent day after each of some 50 past snapshots, the share of those who were new since was seen. It
        grows with the days since the snapshot and falls as the recorded history grows: a logistic regression on the
        logarithms of both. Special days move all users alike and cancel out.
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
        """Spend of the known users in the coming horizon if cohorts go on ageing as they did in the last weeks.

        Per money of its first day, a cohort of age a days spends level · a^slope a day: purchase rates that differ
        between customers, as in BTYD models, fade as a power, because the most faithful stay. The slope is the Poisson
        regression's on the last `AGEING_WEEKS` weeks, the level the robust mean of those weeks. This is the one method
        that needs no forecast of who is new, right at once where a shop stops growing. None in a shorter history.
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
    """Expected spend of all cohorts on each day, up to the level."""
    cohorts = np.arange(len(start))
    return np.array([start[cohorts < day] @ (day - cohorts[cohorts < day]).astype(np.float64) ** slope for day in days])


def _ageing_slope(cells: Floats, start: Floats, days: NDArray[np.intp]) -> float:
    """The exponent of age of the highest Poisson likelihood, between -1.5 and 0.

    Args:
        cells: shape (cohorts, days): spend of each cohort on each day. One that is out of all proportion to the
            cohort's first day is one enormous order, and is cut at the `TAIL` quantile of the proportions.
        start: spend of each cohort on its first day.
        days: number of each column's day; cohorts are numbered by their first day.
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
