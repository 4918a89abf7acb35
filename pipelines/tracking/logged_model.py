"""Log a PurchasingPower to MLflow with everything it needs; load it by address."""

import os
import pickle
import shutil
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import PurseError, UnusableModel
from pipelines.settings import REPOSITORY, Settings
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    import pandas as pd

    from models.purchasing_power import PurchasingPower

NAME = "purchasing_power"
SERVED = REPOSITORY / "pipelines" / "tracking" / "served_model.py"
CODE = ("features", "models")
"""Packages of this repository that are logged with the model; they run without the query engine."""

PACKAGES = ("pandas", "numpy", "scipy", "scikit-learn", "lightgbm")
"""Packages that every logged model needs."""

NETWORK_PACKAGES = ("keras", "tensorflow", "pyarrow")
"""Packages that a model with a network needs as well."""


def log_model(model: "PurchasingPower", example: "pd.DataFrame", families: list[str]) -> str:
    """Log the model to the active run and return its address.

    Args:
        model: the fitted model.
        example: a few rows of raw features; they and the model's predictions determine the signature.
        families: families of the members; networks need Keras where the model is loaded.
    """
    import mlflow

    from models.catalog import is_network

    example = with_json_types(example)
    packages = PACKAGES + (NETWORK_PACKAGES if any(map(is_network, families)) else ())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.pkl"
        path.write_bytes(pickle.dumps(model))
        logged = mlflow.pyfunc.log_model(
            name=NAME,
            python_model=str(shutil.copyfile(SERVED, Path(folder) / SERVED.name)),
            artifacts={NAME: str(path)},
            code_paths=[_private_copy(package, Path(folder)) for package in CODE],
            pip_requirements=[f"{package}=={version(package)}" for package in packages],
            signature=mlflow.models.infer_signature(example, model.predict(example)),
            input_example=example,
        )
    return str(logged.model_uri)


def _private_copy(package: str, folder: Path) -> str:
    """Copy a package with the modes of new files: MLflow copies the modes of the repository's."""
    return shutil.copytree(REPOSITORY / package, folder / package, copy_function=shutil.copyfile).as_posix()


def with_json_types(example: "pd.DataFrame") -> "pd.DataFrame":
    """Convert lists to 64-bit floats: a 32-bit signature would reject numbers from JSON."""
    import numpy as np

    from features.feature import SEQUENCE

    lists = [name for name in example.columns if name.startswith(SEQUENCE)]
    return example.assign(**{name: example[name].map(lambda values: np.asarray(values, np.float64)) for name in lists})


def load_model(settings: Settings, model_uri: str) -> "PurchasingPower":
    """Load a logged or registered model, such as "models:/purchasing-power@champion".

    Raises:
        UnusableModel: the model does not exist, its files are missing or corrupt, or this code cannot unpickle it.
        PurseError: MLflow or its artifact store does not answer, or this machine cannot read the files now.
    """
    os.environ.setdefault("KERAS_BACKEND", settings.training.backend)
    connect(settings)
    import mlflow

    # Import this repository's code first: MLflow would import the copy that was logged with the model.
    import models  # noqa: F401

    try:
        folder = mlflow.artifacts.download_artifacts(artifact_uri=model_uri)
    except Exception as error:  # each store raises its own errors; only "not found" means that the model is missing
        raise (_unusable if _is_missing(error) else _unreadable)(settings, model_uri, error) from error
    try:
        model: PurchasingPower = mlflow.pyfunc.load_model(folder).unwrap_python_model().purchasing_power
        return replace(model)  # raises if a pickle of older code lacks a field
    except Exception as error:  # unpickling fails on anything that changed since the model was logged
        temporary = isinstance(error, (OSError, MemoryError)) and not isinstance(error, FileNotFoundError)
        raise (_unreadable if temporary else _unusable)(settings, model_uri, error) from error


def in_short(error: Exception) -> str:
    """Type of an error and first line of its message."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300].rstrip('.')}"


def _is_missing(error: Exception) -> bool:
    """Whether the store answered that the model or its folder does not exist."""
    missing = getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
    return missing or isinstance(error, FileNotFoundError) or str(error).startswith("No such file or directory")


def _unusable(settings: Settings, model_uri: str, error: Exception) -> UnusableModel:
    return UnusableModel(
        f"The model {model_uri} at {settings.tracking_uri} cannot be loaded: {type(error).__name__}: {error}. "
        "Make another version champion with 'purse rollback', or train and promote a new one.",
        f"it cannot be loaded: {in_short(error)}",
    )


def _unreadable(settings: Settings, model_uri: str, error: Exception) -> PurseError:
    return PurseError(
        f"The model {model_uri} at {settings.tracking_uri} cannot be read now: {in_short(error)}. "
        "Check that MLflow and its artifact store answer, and run the step again."
    )
