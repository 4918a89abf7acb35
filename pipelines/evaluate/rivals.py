"""What challenger, champion and baselines say of the users of the test snapshot."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.catalog import BASELINES
from models.protocol import LabelledUsers
from models.purchasing_power import PurchasingPower
from pipelines.errors import PurseError, UnusableModel
from pipelines.results.training import Split
from pipelines.retraining.fitting import build_model
from pipelines.retraining.level import forecast_level
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import Settings
from pipelines.tracking import logged_model

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Test:
    """The users of the test snapshot with what each model says of them; row for row the same users.

    `model` is the challenger itself. `champion_unusable` says why there are no predictions of a champion that is there.
    """

    user_id: pd.Series
    users: LabelledUsers
    challenger: pd.DataFrame
    champion: pd.DataFrame | None
    baselines: Mapping[str, pd.DataFrame]
    model: PurchasingPower
    champion_unusable: str | None = None


def predict(settings: Settings, split: Split, model_uri: str, champion_version: str | None) -> Test:
    """Read the users of the test snapshot and ask every model about them.

    Raises:
        PurseError: the test window has no truth yet, or MLflow or its artifact store does not answer.
    """
    user_id, _, users = read_labelled(settings, split, [split.test])
    if users.future_spend.isna().any():
        raise PurseError(
            f"The test window from {split.test} to {split.snapshot_date} has no orders in the lake, so nothing can be "
            "measured on it. Load these days, or choose a snapshot date by which they are in."
        )
    users = LabelledUsers(users.features, users.future_spend, users.purchased.astype(bool))
    total = forecast_level(settings, split.test).expected
    champion, unusable = None, None
    if champion_version is not None:
        try:
            champion = _champion_predictions(settings, champion_version, users.features, total)
        except UnusableModel as error:
            unusable = error.reason
            log.warning("Champion version %s is not compared: %s.", champion_version, unusable)
    model = logged_model.load_model(settings, model_uri)
    challenger, baselines = model.predict_spend(users.features), _baselines(settings, split, users.features)
    return Test(user_id, users, challenger, champion, baselines, model, unusable)


def _champion_predictions(settings: Settings, version: str, features: pd.DataFrame, total: float) -> pd.DataFrame:
    """What the champion says, at the same level as the challenger.

    Raises:
        UnusableModel: this code cannot load it, it predicts another horizon, or it cannot score these users.
        PurseError: MLflow or its artifact store does not answer.
    """
    model = logged_model.load_model(settings, f"models:/{settings.mlflow.model_name}/{version}")
    if model.horizon_days != settings.horizon_days:
        raise UnusableModel(f"it predicts {model.horizon_days} days, and horizon_days is {settings.horizon_days}")
    try:
        said = model.levelled(features, total).predict_spend(features)
    except (OSError, MemoryError):  # of this machine, not of the model
        raise
    except Exception as error:  # a feature that is gone, or a library that changed since it was trained
        raise UnusableModel(f"it cannot score the test users: {logged_model.in_short(error)}") from error
    if unknown := int((~np.isfinite(said["expected_spend"])).sum()):
        raise UnusableModel(f"it expects no finite spend of {unknown:,} of {len(said):,} test users")
    return said


def _baselines(settings: Settings, split: Split, features: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The baselines, fitted on the snapshots of the challenger, and scaled to the horizon by its days."""
    ratio = split.horizon_days / split.label_days
    final = read_labelled(settings, split, split.final).users
    said = {}
    for name in BASELINES:
        model = build_model(settings, name, {}, settings.training.seed, split.label_days).fit(final)
        label = model.predict(features)
        probability = 1 - (1 - label["purchase_probability"]) ** ratio
        said[name] = pd.DataFrame(
            {"expected_spend": label["expected_spend"] * ratio, "purchase_probability": probability}
        )
    return said
