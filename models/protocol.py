"""The protocol of every model family: fit on labelled snapshots, predict spend and purchase of users."""

from dataclasses import dataclass
from typing import Protocol, Self

import pandas as pd


@dataclass(frozen=True)
class LabelledUsers:
    """Features of users at snapshots, with their labels in the horizon; one row per user and snapshot.

    Attributes:
        features: the columns of `features.definitions.FEATURES`: floats (NaN where unknown), and categories as `str`
            ("missing" where unknown). Columns named `sequence_*` hold a list of floats per user, see
            `features.sequences`; only networks read them.
        future_spend: net spend in `[snapshot_date, snapshot_date + horizon_days)`, in money; may be negative.
        purchased: whether the user ordered in the horizon.
        user_id: the row's user, where known. Labels of one user at neighbouring snapshots overlap, so validation must
            hold out whole users.

    >>> features = pd.DataFrame({"spend_28d": [12.0, 0.0]})
    >>> users = LabelledUsers(features, future_spend=pd.Series([5.0, 0.0]), purchased=pd.Series([True, False]))
    >>> len(users)
    2
    """

    features: pd.DataFrame
    future_spend: pd.Series
    purchased: pd.Series
    user_id: pd.Series | None = None

    def __len__(self) -> int:
        return len(self.features)


class SpendModel(Protocol):
    """A family of models. `fit` learns everything, encoders and scalers included; `predict` learns nothing."""

    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        """Learn from `training`; use `validation`, which is later in time, for early stopping only.

        Raises:
            ValueError: no users to train on.
        """
        ...

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Predict `expected_spend` (money, finite, at least 0) and `purchase_probability` (0 to 1); same index.

        Raises:
            ValueError: a feature is missing.
        """
        ...
