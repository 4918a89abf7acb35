"""Unfitted models and preprocessing of a family, as the settings declare them."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.preprocessing import Preprocessing
    from models.protocol import SpendModel


def build_model(settings: Settings, family: str, params: Mapping[str, Any], seed: int, label_days: int) -> "SpendModel":
    """An unfitted model of a family, with the backend, threads and label horizon of this retraining."""
    os.environ.setdefault("KERAS_BACKEND", settings.training.backend)  # Keras reads it once, when it is imported
    from models import catalog

    return catalog.build(family, dict(params), seed=seed, threads=settings.training.threads, horizon_days=label_days)


def unfitted_preprocessing(settings: Settings) -> "Preprocessing":
    """The policies that the settings declare for the features."""
    from models.preprocessing import Preprocessing

    declared = settings.preprocessing
    return Preprocessing(declared.missing, declared.outliers, declared.winsorise)


def all_params(model: "SpendModel", family: str) -> dict[str, Any]:
    """The values of the hyperparameters in a family's search space that an unfitted model has."""
    from models.search.space import SPACE

    # `btyd_features` is an attribute only of models that have some
    return {name: getattr(model, name, "none") for name in SPACE[family]}
