"""Predict the test users with every compared model: challenger, champion and baselines."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.catalog import baselines
from models.protocol import LabelledUsers
from models.purchasing_power import PurchasingPower
from pipelines.errors import PurseError, UnusableModel
from pipelines.results.training import Split, Trained
from pipelines.retraining.fitting import build_model
from pipelines.retraining.level import forecast_level
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import Settings
from pipelines.tracking import logged_model
from pipelines.tracking.champion_state import Champion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComparedModels:
    """Users of the test snapshot with the predictions of each model, aligned by row.

    Attributes:
        users: features and true spend of the users.
        challenger: the challenger's predictions.
        champion: the champion's predictions; None without a usable champion.
        baselines: predictions by baseline.
        model: the challenger.
        champion_unusable: reason why an existing champion has no predictions.
    """

    users: LabelledUsers
    challenger: pd.DataFrame
    champion: pd.DataFrame | None
    baselines: Mapping[str, pd.DataFrame]
    model: PurchasingPower
    champion_unusable: str | None = None


def predict(settings: Settings, split: Split, trained: Trained, active: Champion | None) -> ComparedModels:
    """Read the users of the test snapshot and predict them with every model.

    Raises:
        PurseError: the challenger's files are gone, the true spend of the test window is unknown, or MLflow or its
            artifact store does not answer.
    """
    users = read_labelled(settings, split, [split.test]).users
    if users.future_spend.isna().any():
        raise PurseError(
            f"The test window from {split.test} to {split.snapshot_date} has no orders in the lake, so no model can be "
            "measured. Load these days with 'purse ingest' and 'purse validate', or choose an earlier snapshot date."
        )
    users = LabelledUsers(users.features, users.future_spend, users.purchased.astype(bool))
    total = forecast_level(settings, split.test).expected
    champion, unusable = None, None
    if active is not None:
        try:
            champion = _champion_predictions(settings, active, users.features, total)
        except UnusableModel as error:
            unusable = error.reason
            log.warning("Champion version %s can't be compared: %s.", active.version, unusable)
    try:
        model = logged_model.load_model(settings, trained.model)
    except UnusableModel as error:
        again = f"Train it again with 'purse train --snapshot-date {split.snapshot_date}'."
        raise PurseError(f"The trained model can't be compared: {error.reason}. {again}") from error
    challenger, others = model.predict_spend(users.features), _baselines(settings, split, users.features)
    return ComparedModels(users, challenger, champion, others, model, unusable)


def _champion_predictions(settings: Settings, champion: Champion, features: pd.DataFrame, total: float) -> pd.DataFrame:
    """Predict with the champion, at the same level of spend as the challenger.

    Raises:
        UnusableModel: this code cannot load it, its horizon differs, or it cannot score these users.
        PurseError: MLflow or its artifact store does not answer.
    """
    if champion.state in ("version_deleted", "model_deleted"):
        raise UnusableModel(f"it is gone ({champion.state}): {champion.problem}")
    model = logged_model.load_version(settings, champion.version)
    if model.horizon_days != settings.horizon_days:
        raise UnusableModel(f"it predicts {model.horizon_days} days, and horizon_days is {settings.horizon_days}")
    try:
        predictions = model.levelled(features, total).predict_spend(features)
    except (OSError, MemoryError):  # a fault of this machine, not of the model
        raise
    except Exception as error:  # a feature is gone, or a library changed since the training
        raise UnusableModel(f"it cannot score the test users: {logged_model.in_short(error)}") from error
    if unknown := int((~np.isfinite(predictions["expected_spend"])).sum()):
        raise UnusableModel(f"its expected spend is not finite for {unknown:,} of {len(predictions):,} test users")
    return predictions


def _baselines(settings: Settings, split: Split, features: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Fit the baselines on the challenger's snapshots; scale their predictions from label days to the horizon."""
    ratio = split.horizon_days / split.label_days
    final = read_labelled(settings, split, split.final).users
    predictions = {}
    for name in baselines(split.features):
        model = build_model(settings, name, {}, settings.training.seed, split.label_days).fit(final)
        label = model.predict(features)
        probability = 1 - (1 - label["purchase_probability"]) ** ratio
        predictions[name] = pd.DataFrame(
            {"expected_spend": label["expected_spend"] * ratio, "purchase_probability": probability}
        )
    return predictions
