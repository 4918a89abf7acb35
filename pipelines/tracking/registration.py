"""Register and seal trained models as versions of the registered model."""

from datetime import date
from typing import TYPE_CHECKING

from pipelines.errors import PurseError
from pipelines.files import exclusive
from pipelines.results.training import Trained
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.registry import BASELINE

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register_model(settings: Settings, client: "MlflowClient", trained: Trained, snapshot_date: date) -> str:
    """Version of a trained model, sealed; registered if it is new.

    Raises:
        PurseError: MLflow no longer has the model, or does not answer.
    """
    name = settings.mlflow.model_name
    with exclusive(settings, "mlflow-registry"):
        version = find_version(client, name, trained) or _register(name, trained, snapshot_date)
    for tag, value in seals.version_tags(settings, name, version, trained.model.digest).items():
        client.set_model_version_tag(name, version, tag, value)
    return version


def find_version(client: "MlflowClient", name: str, trained: Trained) -> str | None:
    """Find the version of a training's model; delete a version that a kill left unready."""
    for version in client.search_model_versions(f"name = '{name}' and run_id = '{trained.run_id}'"):
        if version.status != "READY":
            client.delete_model_version(name, version.version)
        elif version.tags.get("model_uri") == trained.model.uri:
            return str(version.version)
    return None


def _register(name: str, trained: Trained, snapshot_date: date) -> str:
    import mlflow
    from mlflow.exceptions import MlflowException

    tags = {"model_uri": trained.model.uri, "family": trained.family, "training_id": trained.training_id}
    tags |= {BASELINE: trained.baseline} if trained.baseline else {}
    try:
        return str(mlflow.register_model(trained.model.uri, name, tags=tags).version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise PurseError(
            f"MLflow no longer has the trained model {trained.model.uri} (files_lost). Train again with 'purse train "
            f"--snapshot-date {snapshot_date}', then evaluate and register."
        ) from error
