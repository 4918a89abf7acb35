"""Unfitted models and preprocessing, built from the settings."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.preprocessing import Preprocessing
    from models.protocol import SpendModel


def build_model(settings: Settings, family: str, params: Mapping[str, Any], seed: int, label_days: int) -> "SpendModel":
    """Build an unfitted model of a family with the retraining's backend, threads and label horizon."""
    os.environ.setdefault("KERAS_BACKEND", settings.training.backend)  # Keras reads it once, at import
    from models import catalog

    return catalog.build(family, dict(params), seed=seed, threads=settings.training.threads, horizon_days=label_days)


def unfitted_preprocessing(settings: Settings) -> "Preprocessing":
    """Build the feature policies that the settings declare."""
    from models.preprocessing import Preprocessing

    declared = settings.preprocessing
    return Preprocessing(declared.missing, declared.outliers, declared.winsorise)


def all_params(model: "SpendModel", family: str) -> dict[str, Any]:
    """Values of an unfitted model for every hyperparameter in its family's search space."""
    from models.search.space import SPACE

    # only some models have the attribute `btyd_features`
    return {name: getattr(model, name, "none") for name in SPACE[family]}
