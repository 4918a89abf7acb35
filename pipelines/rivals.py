"""What challenger, champion and baselines say of the users of the test snapshot."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from models.catalog import BASELINES
from models.protocol import LabelledUsers
from models.purchasing_power import PurchasingPower
from pipelines import logged_model, trials
from pipelines.errors import PurseError
from pipelines.level import forecast_level
from pipelines.registry import CHAMPION
from pipelines.results import read_result
from pipelines.settings import Settings
from pipelines.split import read_labelled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Test:
    """The users of the test snapshot with what each model says of them; row for row the same users.

    `model` is the challenger itself.
    """

    user_id: pd.Series
    users: LabelledUsers
    challenger: pd.DataFrame
    champion: pd.DataFrame | None
    baselines: Mapping[str, pd.DataFrame]
    model: PurchasingPower


def predict(settings: Settings, snapshot_date: date, model_uri: str, champion_version: str | None) -> Test:
    """Read the users of the test snapshot and ask every model about them.

    Raises:
        PurseError: the test window has no truth yet, or the champion can't be loaded or can't score these users.
    """
    split = read_result(settings, snapshot_date, "split")
    user_id, users = read_labelled(settings, snapshot_date, [date.fromisoformat(split["test"])])
    if users.future_spend.isna().any():
        raise PurseError(
            f"The test window from {split['test']} to {snapshot_date} has no orders in the lake, so nothing can be "
            "measured on it. Load these days, or choose a snapshot date by which they are in."
        )
    users = LabelledUsers(users.features, users.future_spend, users.purchased.astype(bool))
    total = forecast_level(settings, date.fromisoformat(split["test"])).expected
    champion = None
    if champion_version is not None:
        champion = _champion_predictions(settings, champion_version, users.features, total)
    model = logged_model.load_model(settings, model_uri)
    challenger, baselines = model.predict_spend(users.features), _baselines(settings, snapshot_date, users.features)
    return Test(user_id, users, challenger, champion, baselines, model)


def _champion_predictions(
    settings: Settings, version: str, features: pd.DataFrame, total: float
) -> pd.DataFrame | None:
    """What the champion says, at the same level as the challenger.

    None where it predicts another horizon, or where this code cannot load it any more: were that an error, no
    challenger could ever replace it.
    """
    try:
        model = logged_model.load_model(settings, f"models:/{settings.mlflow.model_name}/{version}")
    except PurseError as error:
        log.warning("The challenger is measured without the champion. %s", error)
        return None
    if model.horizon_days != settings.horizon_days:
        return None
    try:
        return model.levelled(features, total).predict_spend(features)
    except ValueError as error:
        raise PurseError(
            f"Champion version {version} can't score the test users: {error} The source has changed since it was "
            f"trained: bring the columns back, or remove the alias '{CHAMPION}' in the MLflow UI to start anew."
        ) from error


def _baselines(settings: Settings, snapshot_date: date, features: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The baselines, fitted on the snapshots of the challenger, and scaled to the horizon by its days."""
    split = read_result(settings, snapshot_date, "split")
    ratio = split["horizon_days"] / split["label_days"]
    final = read_labelled(settings, snapshot_date, [date.fromisoformat(day) for day in split["final"]])[1]
    said = {}
    for name in BASELINES:
        model = trials.build_model(settings, name, {}, settings.training.seed, split["label_days"]).fit(final)
        label = model.predict(features)
        probability = 1 - (1 - label["purchase_probability"]) ** ratio
        said[name] = pd.DataFrame(
            {"expected_spend": label["expected_spend"] * ratio, "purchase_probability": probability}
        )
    return said
