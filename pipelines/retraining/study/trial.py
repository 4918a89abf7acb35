"""Run one trial: fit a family with given hyperparameters on each fold, measure it, store its predictions."""

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.files import write_atomically
from pipelines.results.training import Split
from pipelines.retraining.fitting import build_model, unfitted_preprocessing
from pipelines.retraining.study.measures import Measures, summarise
from pipelines.retraining.study.study import Sweep, key
from pipelines.settings import Settings

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from models.protocol import LabelledUsers, SpendModel

Predictions = list[NDArray[np.float64]]
"""Expected spend of the validation users by temporal fold, in the order of the fold's rows."""

Watch = Callable[[int, int, Mapping[str, float]], None]
"""See `EpochWatcher` in models.networks.spend_network."""


@dataclass(frozen=True)
class Fold:
    """Temporal fold: train on earlier snapshots, validate on a later one.

    With user folds, no validation user is predicted by a model that was trained on that user.

    Attributes:
        training: users at the earlier snapshots.
        validation: users at the later snapshot.
        training_part, validation_part: user fold of each row, from 0; all 0 without user folds.
    """

    training: "LabelledUsers"
    validation: "LabelledUsers"
    training_part: NDArray[np.intp]
    validation_part: NDArray[np.intp]

    def parts(self) -> "Iterator[tuple[LabelledUsers, NDArray[np.bool_]]]":
        """Yield for each user fold its training users and the mask of validation rows to predict."""
        if not self.training_part.any() and not self.validation_part.any():
            yield self.training, np.ones(len(self.validation), dtype=bool)
            return
        for part in np.unique(self.validation_part):
            yield _rows(self.training, self.training_part != part), self.validation_part == part


def read_folds(settings: Settings, split: Split) -> list[Fold]:
    """Read the labelled users of each temporal fold, with their user folds."""
    from pipelines.retraining.training_set import read_labelled, user_folds

    def labelled(days: Collection[date]) -> "tuple[LabelledUsers, NDArray[np.intp]]":
        rows = read_labelled(settings, split, days)
        return rows.users, user_folds(rows.user_id, settings.snapshots.user_folds)

    folds = []
    for fold in split.folds:
        training, training_part = labelled(fold.training)
        validation, validation_part = labelled([fold.validation])
        folds.append(Fold(training, validation, training_part, validation_part))
    return folds


def run_trial(
    settings: Settings,
    family: str,
    params: Mapping[str, Any],
    folds: list[Fold],
    label_days: int,
    watch: Watch | None = None,
) -> tuple[Predictions, Measures]:
    """Fit on every fold; return the out-of-time predictions and the measures (see `summarise`).

    `fit` never sees the validation snapshot: early stopping on it would flatter the trial. `watch` is called after
    each epoch of a `SpendNetwork`; an exception from it ends the trial. `fit_seconds` and `predict_seconds` are sums
    over the folds; `trial_seconds` includes the measuring.
    """
    from models.measures.metrics import measure
    from models.networks.spend_network import SpendNetwork

    def unfitted() -> "SpendModel":
        model = build_model(settings, family, params, settings.sweep.seed, label_days)
        if isinstance(model, SpendNetwork):
            model.watch = watch
        return model

    predictions, measured, by_users, started = [], [], [], monotonic()
    seconds = {"fit_seconds": 0.0, "predict_seconds": 0.0}
    for fold in folds:
        spend, probability = _predict_fold(settings, fold, unfitted, seconds)
        if not np.isfinite(spend).all():
            raise ValueError(f"{(~np.isfinite(spend)).sum()} of {len(spend)} predictions are not finite numbers")
        spent, bought = fold.validation.future_spend.to_numpy(), fold.validation.purchased.to_numpy(dtype=bool)
        measured.append(measure(spent, bought, spend, probability))
        parts = [fold.validation_part == part for part in np.unique(fold.validation_part)]
        own = [measure(spent[rows], bought[rows], spend[rows], probability[rows]) for rows in parts]
        by_users.append(own if settings.snapshots.user_folds > 1 else [])
        predictions.append(spend)
    values = summarise(measured, by_users, settings.sweep.max_abs_bias)
    return predictions, values | seconds | {"trial_seconds": monotonic() - started}


def _predict_fold(
    settings: Settings, fold: Fold, unfitted: "Callable[[], SpendModel]", seconds: dict[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predict expected spend and purchase probability of the validation users; add the times to `seconds`."""
    spend, probability = np.zeros(len(fold.validation)), np.zeros(len(fold.validation))
    for training, rows in fold.parts():
        model, began = unfitted(), monotonic()
        preprocessing = unfitted_preprocessing(settings).fit(training.features)
        model.fit(replace(training, features=preprocessing.transform(training.features)))
        fitted = monotonic()
        predictions = model.predict(preprocessing.transform(fold.validation.features[rows]))
        seconds["fit_seconds"] += fitted - began
        seconds["predict_seconds"] += monotonic() - fitted
        spend[rows], probability[rows] = predictions["expected_spend"], predictions["purchase_probability"]
    return spend, probability


def save_predictions(sweep: Sweep, trial: "FrozenTrial", predictions: Predictions) -> None:
    """Store a trial's out-of-time predictions; `train` chooses the blend's weights from them."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, *predictions)
    write_atomically(_predictions_path(sweep, trial), buffer.getvalue())


def read_predictions(sweep: Sweep, trial: "FrozenTrial") -> Predictions | None:
    """Read the predictions that `save_predictions` stored; None if the file is gone."""
    path = _predictions_path(sweep, trial)
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def _predictions_path(sweep: Sweep, trial: "FrozenTrial") -> Path:
    family, draw = key(trial)
    return sweep.settings.home_path / "sweeps" / sweep.name / f"{family}-{draw}-{trial.number}.npz"


def _rows(users: "LabelledUsers", chosen: NDArray[np.bool_]) -> "LabelledUsers":
    from models.protocol import LabelledUsers

    return LabelledUsers(
        users.features[chosen].reset_index(drop=True),
        users.future_spend[chosen].reset_index(drop=True),
        users.purchased[chosen].reset_index(drop=True),
        None if users.user_id is None else users.user_id[chosen].reset_index(drop=True),
    )
