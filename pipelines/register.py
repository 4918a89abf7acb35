"""Register and seal the trained model as a version of settings.mlflow.model_name, the `challenger`."""

from datetime import date

from pipelines import links
from pipelines.results.decision import Registered
from pipelines.results.result import read_result
from pipelines.results.training import Trained
from pipelines.settings import Settings
from pipelines.tracking.registration import register_model
from pipelines.tracking.registry import CHALLENGER, CHAMPION, version_of
from pipelines.tracking.runs import connect


def register(settings: Settings, snapshot_date: date) -> Registered:
    """Register the trained model; a rerun returns the existing version.

    Raises:
        PurseError: `train` has not run, its model is gone, or MLflow does not answer.
    """
    trained = read_result(settings, snapshot_date, Trained)
    name, client = settings.mlflow.model_name, connect(settings)
    version = register_model(settings, client, trained, snapshot_date)
    if not client.get_registered_model(name).description:  # keep a person's description
        client.update_registered_model(name, _description(settings))
    if version_of(client, name, CHAMPION) != version:
        client.set_registered_model_alias(name, CHALLENGER, version)
    return Registered(
        model_name=name, version=version, alias=CHALLENGER, run_id=trained.run_id, run_url=trained.run_url
    )


def _description(settings: Settings) -> str:
    """Description of the model in the MLflow UI: links to the other screens."""
    dashboard, dag = links.dashboard_url(settings), links.dag_url(settings, "retrain_daily")
    return f"[Today's scores]({dashboard}/), [the model's health]({dashboard}/model), [the DAG that trains it]({dag})."
