"""The baseline that scores until a model beats it: choose it on the validation windows, assemble it like a model."""

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from models.catalog import column_baselines
from models.level.forecast import Level
from models.measures.gini import normalized_gini, standard_error
from models.purchasing_power import Member, PurchasingPower
from pipelines.errors import UnusableModel
from pipelines.results.training import Split
from pipelines.retraining.fitting import build_model
from pipelines.retraining.study.trial import Predictions, read_folds
from pipelines.retraining.training_set import Labelled
from pipelines.settings import Settings
from pipelines.tracking.champion import find_champion
from pipelines.tracking.logged_model import load_version
from pipelines.tracking.registry import baseline_of
from pipelines.train.fit import assemble

if TYPE_CHECKING:
    from mlflow import MlflowClient

SAMPLES = 200
"""Bootstrap samples for the standard error of a validation nGini."""


class Ranked(NamedTuple):
    """A baseline with its out-of-time predictions by fold, its mean nGini over the folds, and the standard error."""

    name: str
    predictions: Predictions
    ngini: float
    error: float


def is_needed(settings: Settings, client: "MlflowClient", split: Split) -> bool:
    """Whether there is no champion, or it is a baseline of another horizon, without files, or fitted a horizon ago.

    A baseline's order of users needs no retraining, but its shape, intervals and drift reference get old.

    Raises:
        PurseError: MLflow does not answer.
    """
    if not column_baselines(split.features):
        return False
    champion, name = find_champion(settings, client), settings.mlflow.model_name
    if champion is None:
        return True
    if not champion.usable or baseline_of(client, name, champion.version) is None:
        return False
    try:
        model = load_version(settings, champion.version)
    except UnusableModel:
        return True
    fitted = client.get_model_version(name, champion.version).tags.get("training_id", "")[:10]
    old = fitted <= (split.snapshot_date - timedelta(days=split.horizon_days)).isoformat()
    return old or model.horizon_days != split.horizon_days


def choose(settings: Settings, split: Split) -> Ranked:
    """Choose the best of the baselines that learn no order from labels, on the validation windows."""
    folds, seed = read_folds(settings, split), settings.training.seed
    ranked = []
    for name in column_baselines(split.features):
        models = (build_model(settings, name, {}, seed, split.label_days).fit(fold.training) for fold in folds)
        predictions = [
            model.predict(fold.validation.features)["expected_spend"].to_numpy()
            for model, fold in zip(models, folds, strict=True)
        ]
        spend = [fold.validation.future_spend.to_numpy() for fold in folds]
        ranked.append(Ranked(name, predictions, *mean_ngini(predictions, spend, seed)))
    return max(ranked, key=lambda one: one.ngini)


def mean_ngini(predictions: Predictions, spend: Predictions, seed: int) -> tuple[float, float]:
    """Mean nGini over the folds, and its standard error: the mean over the folds, as they have the same users."""
    folds = list(zip(spend, predictions, strict=True))
    errors = [standard_error(true, predicted, SAMPLES, seed) for true, predicted in folds]
    return float(np.mean([normalized_gini(*fold) for fold in folds])), float(np.mean(errors))


def fit_stand_in(
    settings: Settings,
    split: Split,
    chosen: Ranked,
    spend: Predictions,
    level: Level,
    labelled: Labelled,
    reference: pd.DataFrame,
) -> PurchasingPower:
    """Fit the chosen baseline on raw features and assemble it; see `fit` for the arguments."""
    model = build_model(settings, chosen.name, {}, settings.training.seed, split.label_days).fit(labelled.users)
    members = [Member(1.0, model, chosen.name)]
    columns = column_baselines(split.features)[chosen.name]
    out_of_time = (chosen.predictions, spend)
    return assemble(settings, split, members, out_of_time, level, labelled, reference, None, (chosen.name, columns))
