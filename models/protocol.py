"""What every model family is: fit on labelled snapshots, predict spend and purchase for users."""

from dataclasses import dataclass
from typing import Protocol, Self

import pandas as pd


@dataclass(frozen=True)
class LabelledUsers:
    """Users at snapshots with what they did in the horizon after; one row per user and snapshot.

    Attributes:
        features: the columns of `features.definitions.FEATURES`: floats, and categories as `str`
            (missing is the category "missing"); floats may hold NaN. Columns that begin with `sequence_` hold a list
            of floats per user, see `features.sequences`; only networks read them.
        future_spend: net spend in `[snapshot_date, snapshot_date + horizon_days)`, in money; may be below 0.
        purchased: True where the user ordered at all in the horizon.
        user_id: whose row it is, where that is known: rows of one user at several snapshots say much the same, so what
            is learned from some of them must not be checked on others.
    """

    features: pd.DataFrame
    future_spend: pd.Series
    purchased: pd.Series
    user_id: pd.Series | None = None

    def __len__(self) -> int:
        return len(self.features)


class SpendModel(Protocol):
    """A family of models. Everything learned (encoders and scalers too) is learned in `fit`."""

    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        """Learn; `validation` (later in time) may be used for early stopping only."""
        ...

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Predict `expected_spend` (money, finite, at least 0) and `purchase_probability` (0 to 1), same index."""
        ...
