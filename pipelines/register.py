"""Register and seal the trained model as a version of settings.mlflow.model_name, the `challenger`."""

from datetime import date
from typing import TYPE_CHECKING

from pipelines import links
from pipelines.errors import PurseError
from pipelines.files import exclusive
from pipelines.results.decision import Registered
from pipelines.results.result import read_result
from pipelines.results.training import Trained
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.registry import CHALLENGER, CHAMPION, version_of
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register(settings: Settings, snapshot_date: date) -> Registered:
    """Register the trained model; a rerun returns the existing version.

    Raises:
        PurseError: `train` has not run, its model is gone, or MLflow does not answer.
    """
    trained = read_result(settings, snapshot_date, Trained)
    name, client = settings.mlflow.model_name, connect(settings)
    with exclusive(settings, "mlflow-registry"):
        version = _find(client, name, trained) or _register(name, trained, snapshot_date)
        if not client.get_registered_model(name).description:  # keep a person's description
            client.update_registered_model(name, _description(settings))
    for tag, value in seals.version_tags(settings, name, version, trained.model.digest).items():
        client.set_model_version_tag(name, version, tag, value)
    if version_of(client, name, CHAMPION) != version:
        client.set_registered_model_alias(name, CHALLENGER, version)
    return Registered(
        model_name=name, version=version, alias=CHALLENGER, run_id=trained.run_id, run_url=trained.run_url
    )


def _find(client: "MlflowClient", name: str, trained: Trained) -> str | None:
    """Find the version of this run's model; delete a version that a kill left unready."""
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
    try:
        return str(mlflow.register_model(trained.model.uri, name, tags=tags).version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise PurseError(
            f"MLflow no longer has the trained model {trained.model.uri} (files_lost). Train again with 'purse train "
            f"--snapshot-date {snapshot_date}', then evaluate and register."
        ) from error


def _description(settings: Settings) -> str:
    """Description of the model in the MLflow UI: links to the other screens."""
    dashboard, dag = links.dashboard_url(settings), links.dag_url(settings, "retrain_daily")
    return f"[Today's scores]({dashboard}/), [the model's health]({dashboard}/model), [the DAG that trains it]({dag})."
