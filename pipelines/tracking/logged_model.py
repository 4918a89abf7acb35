"""Log a PurchasingPower to MLflow with everything it needs; fetch, verify and load it."""

import os
import re
import shutil
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import PurseError, UnusableModel
from pipelines.results.training import LoggedModel
from pipelines.settings import REPOSITORY, Settings
from pipelines.tracking import seals
from pipelines.tracking.addresses import local_path, require_own_location
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models.purchasing_power import PurchasingPower

NAME = "purchasing_power"
SERVED = REPOSITORY / "pipelines" / "tracking" / "served_model.py"
CODE = ("features", "models")
"""Packages of this repository that are logged with the model; they run without the query engine."""

PACKAGES = ("pandas", "numpy", "scipy", "scikit-learn", "lightgbm")
"""Packages that every logged model needs."""

NETWORK_PACKAGES = ("keras", "tensorflow", "pyarrow")
"""Packages that a model with a network needs as well."""

MODEL_ID = re.compile(r"m-[0-9a-f]{32}")


def log_model(model: "PurchasingPower", example: "pd.DataFrame", families: list[str], run_id: str) -> LoggedModel:
    """Log the model to a run; return its address and the digest of its files.

    The digest is taken from the files on this machine before MLflow gets them.

    Args:
        model: the fitted model.
        example: a few rows of raw features; they and the model's predictions determine the signature.
        families: families of the members; networks need Keras where the model is loaded.
        run_id: run of the training.
    """
    import mlflow
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    from models import storage
    from models.catalog import is_network

    example = with_json_types(example)
    packages = PACKAGES + (NETWORK_PACKAGES if any(map(is_network, families)) else ())
    client = mlflow.MlflowClient()
    logged = mlflow.initialize_logged_model(name=NAME, source_run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        storage.write(model, Path(folder) / NAME)
        path = Path(folder) / "logged"
        mlflow.pyfunc.save_model(
            path=path,
            mlflow_model=Model(run_id=run_id, model_id=logged.model_id, model_uuid=logged.model_id),
            python_model=str(shutil.copyfile(SERVED, Path(folder) / SERVED.name)),
            artifacts={NAME: str(Path(folder) / NAME)},
            code_paths=[_private_copy(package, Path(folder)) for package in CODE],
            pip_requirements=[f"{package}=={version(package)}" for package in packages],
            signature=mlflow.models.infer_signature(example, model.predict(example)),
            input_example=example,
        )
        for cached in path.rglob("__pycache__"):
            shutil.rmtree(cached)
        digest = seals.digest(path)
        client.log_model_artifacts(logged.model_id, str(path))
    mlflow.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return LoggedModel(uri=logged.model_uri, digest=digest)


def _private_copy(package: str, folder: Path) -> str:
    """Copy a package with the modes of new files: MLflow copies the modes of the repository's."""
    return shutil.copytree(REPOSITORY / package, folder / package, copy_function=shutil.copyfile).as_posix()


def with_json_types(example: "pd.DataFrame") -> "pd.DataFrame":
    """Convert lists to 64-bit floats, missing ones to empty ones: a 32-bit signature would reject numbers from JSON."""
    import numpy as np

    from features.feature import SEQUENCE

    lists = [name for name in example.columns if name.startswith(SEQUENCE)]

    def floats(values: object) -> "NDArray[np.float64]":
        return np.asarray(values, np.float64) if np.ndim(values) else np.empty(0)  # type: ignore[arg-type]

    return example.assign(**{name: example[name].map(floats) for name in lists})


def load_version(settings: Settings, version: str) -> "PurchasingPower":
    """Load a registered version.

    Raises:
        NotRegisteredHere: this home did not register the version, or a file was changed since.
        UnusableModel: the version does not exist, its files are missing, or this code cannot read them.
        PurseError: MLflow or its artifact store does not answer, or this machine cannot read the files now.
    """
    client, name = connect(settings), settings.mlflow.model_name
    try:
        found = client.get_model_version(name, version)
    except Exception as error:  # each store raises its own errors
        raise (_unusable if _is_missing(error) else _unreadable)(
            settings, f"models:/{name}/{version}", error
        ) from error
    digest = seals.require_sealed_version(settings, found)
    try:
        return load_model(settings, LoggedModel(uri=str(found.source), digest=digest))
    except seals.NotRegisteredHere:
        raise seals.not_registered(settings, version) from None


def load_model(settings: Settings, logged: LoggedModel) -> "PurchasingPower":
    """Fetch the files of a logged model, verify them, and read the model from them.

    This is the only way to a model: MLflow's own loaders run whatever code the files name.

    Args:
        settings: the settings.
        logged: from a place that MLflow cannot write to.

    Raises:
        NotRegisteredHere: the files have another digest.
        UnusableModel: the model does not exist, its files are missing, or this code cannot read them.
        PurseError: MLflow or its artifact store does not answer, or this machine cannot read the files now.
    """
    os.environ.setdefault("KERAS_BACKEND", settings.training.backend)
    with tempfile.TemporaryDirectory() as folder:  # a private copy: nobody changes it after it was verified
        path = fetch(settings, logged.uri, Path(folder))
        if seals.digest(path) != logged.digest:
            raise seals.NotRegisteredHere(
                f"The files of {logged.uri} are not the ones that this home logged (not_registered_here): they were "
                "changed in MLflow's artifact store, and are not loaded. Train again, and find out who changed them."
            )
        try:
            from models import storage

            model: PurchasingPower = storage.read(path / "artifacts" / NAME)
            return replace(model)  # raises if a file of older code lacks a field
        except Exception as error:  # reading fails on anything that changed since the model was logged
            temporary = isinstance(error, (OSError, MemoryError)) and not isinstance(error, FileNotFoundError)
            raise (_unreadable if temporary else _unusable)(settings, logged.uri, error) from error


def fetch(settings: Settings, model_uri: str, folder: Path) -> Path:
    """Download the files of a logged model, unverified, into a folder; return where they lie.

    Raises:
        UnusableModel: the address is not a logged model's, or the model does not exist.
        PurseError: MLflow or its artifact store does not answer, or the files lie outside the artifact root.
    """
    client = connect(settings)
    import mlflow

    model_id = model_uri.removeprefix("models:/")
    if not MODEL_ID.fullmatch(model_id):
        raise UnusableModel(f"Expected the address of a logged model, such as models:/m-1a2b..., found '{model_uri}'.")
    try:
        location = client.get_logged_model(model_id).artifact_location
        require_own_location(settings, location)
        if local := local_path(location):  # MLflow's client takes a millisecond for each of a hundred small files
            return Path(shutil.copytree(local, folder / "model", symlinks=True))
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=str(folder)))
    except PurseError:
        raise
    except Exception as error:  # each store raises its own errors; only "not found" means that the model is missing
        raise (_unusable if _is_missing(error) else _unreadable)(settings, model_uri, error) from error


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
        f"The model {model_uri} at {settings.tracking_uri} cannot be loaded (files_lost): {type(error).__name__}: "
        f"{error}. 'purse champion' lists the versions that can be champion instead, with their commands.",
        f"it cannot be loaded: {in_short(error)}",
    )


def _unreadable(settings: Settings, model_uri: str, error: Exception) -> PurseError:
    return PurseError(
        f"The model {model_uri} at {settings.tracking_uri} cannot be read now: {in_short(error)}. "
        "Check that MLflow and its artifact store answer, and run the step again."
    )
