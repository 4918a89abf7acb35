"""Baselines that every model must beat: the mean, the previous window, the rate of the history, and decayed spend."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from typing_extensions import override

from features.feature import WINDOWS_DAYS
from models.encoding import select
from models.protocol import LabelledUsers, SpendModel
from models.score.chance import Chance
from models.targets import as_predictions, require_users

DECAYED = "spend_decayed_56d"
"""Feature that `DecayedSpend` ranks users by."""


@dataclass
class Mean(SpendModel):
    """Predict the training mean for every user.

    >>> spend = pd.Series([0.0, 30.0])
    >>> training = LabelledUsers(pd.DataFrame({"T": [9.0, 9.0]}), spend, spend > 0)
    >>> Mean().fit(training).predict(pd.DataFrame({"T": [1.0]}))
       expected_spend  purchase_probability
    0            15.0                   0.5
    """

    spend: float = 0.0
    probability: float = 0.0

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        self.spend = float(training.future_spend.mean())
        self.probability = float(training.purchased.mean())
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        users = len(features)
        return as_predictions(features, np.full(users, self.spend), np.full(users, self.probability))


@dataclass
class PreviousWindow(SpendModel):
    """Predict that the next horizon repeats the longest window that is no longer than it, scaled to its length.

    >>> features = pd.DataFrame({"spend_28d": [60.0], "purchase_days_28d": [2.0]})
    >>> PreviousWindow(horizon_days=42).predict(features).round(2)
       expected_spend  purchase_probability
    0            90.0                  0.95
    """

    horizon_days: int

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        window = max((days for days in WINDOWS_DAYS if days <= self.horizon_days), default=WINDOWS_DAYS[0])
        spend, days = f"spend_{window}d", f"purchase_days_{window}d"
        recent = select(features, [spend, days]).fillna(0) * self.horizon_days / window
        return as_predictions(features, recent[spend], _any_purchase(recent[days]))


@dataclass
class HistoryRate(SpendModel):
    """Predict that a user goes on spending at the average rate of the recorded history.

    The history is as long as the longest tenure in the training set, or the user's own tenure if that is longer.
    Dividing by each user's own tenure would rank users who came yesterday first. No label moves the order of users;
    `fit` learns only how often users with such a rate of purchase days bought.

    >>> features = pd.DataFrame({"spend_total": [60.0], "purchase_days_total": [2.0], "T": [10.0]})
    >>> HistoryRate(horizon_days=28, history_days=56.0).predict(features).round(2)
       expected_spend  purchase_probability
    0            30.0                  0.63
    """

    horizon_days: int
    history_days: float = 1.0
    chance: Chance | None = None

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        self.history_days, self.chance = max(float(training.features["T"].fillna(0).max()), 1.0), None
        self.chance = Chance.fit(self.predict(training.features)["purchase_probability"], training.purchased)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        history = select(features, ["spend_total", "purchase_days_total", "T"]).fillna(0)
        horizons = self.horizon_days / history["T"].clip(lower=self.history_days)
        chance = _any_purchase(history["purchase_days_total"] * horizons)
        return as_predictions(
            features, history["spend_total"] * horizons, self.chance.apply(chance) if self.chance else chance
        )


@dataclass
class DecayedSpend(SpendModel):
    """Rank users by recent spend, a feature as it is: a day counts half after 56 days.

    No label moves the order of users; `fit` learns the level of spend, and how often users with such a value bought.

    >>> features, spend = pd.DataFrame({"spend_decayed_56d": [10.0, 30.0]}), pd.Series([0.0, 80.0])
    >>> DecayedSpend().fit(LabelledUsers(features, spend, spend > 0)).predict(features)
       expected_spend  purchase_probability
    0            20.0                   0.5
    1            60.0                   0.5
    """

    scale: float = 1.0
    chance: Chance | None = None

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        recent = _recent(training.features)
        spent, mean = float(training.future_spend.mean()), float(recent.mean())
        self.scale = spent / mean if spent > 0 and mean > 0 else 1.0  # never 0, which would lose the order
        self.chance = Chance.fit(recent, training.purchased)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        recent = _recent(features)
        return as_predictions(features, recent * self.scale, self.chance.apply(recent) if self.chance else 0.0 * recent)


def _recent(features: pd.DataFrame) -> pd.Series:
    return select(features, [DECAYED])[DECAYED].fillna(0).clip(lower=0)


def _any_purchase(expected_days: pd.Series) -> pd.Series:
    """Probability of at least one purchase day if purchase days arrive at random (Poisson)."""
    return -np.expm1(-expected_days.clip(lower=0))
