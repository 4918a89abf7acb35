"""Read the training sets of a retraining (labelled users by snapshot) and assign users to folds."""

import hashlib
from collections.abc import Collection
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definitions import FEATURES, of_attributes
from models.protocol import LabelledUsers
from pipelines.lake import tables
from pipelines.results.training import Split
from pipelines.settings import Settings

LABELS = ("future_spend", "purchased")

TRAINING_SETS = "training_sets"
"""Lake table of labelled users with orders."""

TRAINING_WITHOUT_ORDERS = "training_sets_without_orders"
"""Lake table of labelled users without orders; only the cold-start model learns from it."""

USER_FOLD_SALT = "purse.user_fold:"
"""Salt of the hash that assigns users to folds; unique, so that the folds don't coincide with other user groups."""


def attribute_names(features: list[str]) -> list[str]:
    """Select the features that users without orders have too."""
    return [feature.name for feature in of_attributes(FEATURES) if feature.name in features]


class Labelled(NamedTuple):
    """Labelled users of one or several snapshots, aligned by row, ordered by snapshot and user."""

    user_id: pd.Series
    snapshot: pd.Series
    users: LabelledUsers

    def at(self, day: date) -> "Labelled":
        """Select the users of one snapshot."""
        rows = (self.snapshot == day).to_numpy()
        users = self.users
        labelled = LabelledUsers(
            users.features[rows].reset_index(drop=True),
            users.future_spend[rows].reset_index(drop=True),
            users.purchased[rows].reset_index(drop=True),
            self.user_id[rows].reset_index(drop=True),
        )
        return Labelled(self.user_id[rows].reset_index(drop=True), self.snapshot[rows].reset_index(drop=True), labelled)


def read_labelled(
    settings: Settings,
    split: Split,
    snapshots: Collection[date],
    names: list[str] | None = None,
    table_name: str = TRAINING_SETS,
) -> Labelled:
    """Read the labelled users of the given snapshots.

    Args:
        settings: the settings.
        split: result of step `split`.
        snapshots: snapshot dates to read.
        names: features to read; None: all features of the split.
        table_name: lake table of the training set.
    """
    names = split.features if names is None else names
    table = tables.read(tables.connect(), settings, table_name)
    chosen = table.filter(table.training_date == split.snapshot_date, table.snapshot_date.isin(list(snapshots)))
    ordered = chosen.order_by(["snapshot_date", "user_id"]).select("user_id", "snapshot_date", *names, *LABELS)
    frame = ordered.to_pyarrow().to_pandas()  # action lists become arrays; Ibis' own conversion is slow
    labelled = LabelledUsers(frame[names], frame["future_spend"], frame["purchased"], frame["user_id"])
    return Labelled(frame["user_id"], frame["snapshot_date"], labelled)


def user_folds(user_id: pd.Series, folds: int) -> NDArray[np.intp]:
    """Assign each user to a fold, 0 to `folds` - 1: the same at every snapshot, on every machine and in every run."""

    def fold(user: str) -> int:
        return int(hashlib.md5(f"{USER_FOLD_SALT}{user}".encode(), usedforsecurity=False).hexdigest()[:8], 16) % folds

    fold_by_user = {user: fold(user) for user in user_id.unique()} if folds > 1 else {}
    return np.array([fold_by_user.get(user, 0) for user in user_id], dtype=np.intp)
