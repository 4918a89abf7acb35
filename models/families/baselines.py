"""What a model must beat: the mean, the last window, and the rate so far. They learn next to nothing."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from typing_extensions import override

from features.feature import WINDOWS_DAYS
from models.encoding import select
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, require_users


@dataclass
class Mean(SpendModel):
    """Everyone is the average user of the training set."""

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
    """The next horizon is like the longest window that isn't longer than it, scaled to its length."""

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
    """A user goes on spending at the average rate of the recorded history.

    The history is as long as the longest tenure in the training set, or the user's own if that is longer: a rate
    over each user's own tenure would put those who came yesterday on top.
    """

    horizon_days: int
    history_days: float = 1.0

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        self.history_days = max(float(training.features["T"].fillna(0).max()), 1.0)
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        history = select(features, ["spend_total", "purchase_days_total", "T"]).fillna(0)
        horizons = self.horizon_days / history["T"].clip(lower=self.history_days)
        days = history["purchase_days_total"] * horizons
        return as_predictions(features, history["spend_total"] * horizons, _any_purchase(days))


def _any_purchase(expected_days: pd.Series) -> pd.Series:
    """Probability of at least one purchase day if their number is Poisson distributed."""
    return -np.expm1(-expected_days.clip(lower=0))
