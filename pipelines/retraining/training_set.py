"""The training sets of a retraining: labelled users by snapshot, and the folds of users."""

import hashlib
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definitions import FEATURES, of_attributes
from models.protocol import LabelledUsers
from pipelines.lake import tables
from pipelines.results import read_result
from pipelines.settings import Settings

LABELS = ("future_spend", "purchased")


TRAINING_SETS = "training_sets"


TRAINING_WITHOUT_ORDERS = "training_sets_without_orders"
"""Tables of the labelled users with and without orders; no model but the cold start learns from the second."""


USER_FOLD_SALT = "purse.user_fold:"
"""Another one than other groupings by user would use, or their groups would be these."""


def attribute_names(features: list[str]) -> list[str]:
    """Those of the features that users without orders have too."""
    return [feature.name for feature in of_attributes(FEATURES) if feature.name in features]


def read_labelled(
    settings: Settings,
    training_date: date,
    snapshots: list[date],
    names: list[str] | None = None,
    table_name: str = TRAINING_SETS,
) -> tuple[pd.Series, LabelledUsers]:
    """The users of some snapshots of a training set, ordered by snapshot and user.

    Args:
        settings: the settings.
        training_date: of the retraining.
        snapshots: whose users.
        names: of the features; None: all of that build.
        table_name: of the training set.

    Returns:
        user_id and the labelled users, one row per user and snapshot.
    """
    if names is None:
        names = read_result(settings, training_date, "split")["features"]
    table = tables.read(tables.connect(), settings, table_name)
    chosen = table.filter(table.training_date == training_date, table.snapshot_date.isin(snapshots))
    ordered = chosen.order_by(["snapshot_date", "user_id"]).select("user_id", *names, *LABELS)
    frame = ordered.to_pyarrow().to_pandas()  # lists of actions become arrays, which Ibis' own way makes slow
    labelled = LabelledUsers(frame[names], frame["future_spend"], frame["purchased"], frame["user_id"])
    return frame["user_id"], labelled


def user_folds(user_id: pd.Series, folds: int) -> NDArray[np.intp]:
    """The fold of each user, 0 to `folds` - 1: the same at every snapshot, on every machine and in every run."""

    def fold(user: str) -> int:
        return int(hashlib.md5(f"{USER_FOLD_SALT}{user}".encode(), usedforsecurity=False).hexdigest()[:8], 16) % folds

    known = {user: fold(user) for user in user_id.unique()} if folds > 1 else {}
    return np.array([known.get(user, 0) for user in user_id], dtype=np.intp)
