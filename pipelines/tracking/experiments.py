"""Experiments in MLflow: one of retrainings, with a view of its runs, and one of nightly monitoring."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import links
from pipelines.errors import PurseError
from pipelines.sections import Mlflow
from pipelines.settings import Settings
from pipelines.tracking.addresses import require_own_location
from pipelines.tracking.database import database_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Tags that make the MLflow UI show trainings instead of chats."""

WINNER = "winner"
"""Tag of a trial: its place in the model, as the runs' table shows it."""

COLUMNS = (
    f"tags.`{WINNER}`",
    "params.`family`",
    "metrics.`validation_ngini`",
    "metrics.`validation_bias`",
    "metrics.`test_ngini`",
    "attributes.`Duration`",
)
"""Columns of the runs' table, after each run's name."""

VIEW = {"orderByKey": "metrics.`validation_ngini`", "orderByAsc": False, "selectedColumns": COLUMNS}
VIEW_TAG = f"mlflow.sharedViewState.{links.RUNS_VIEW}"
"""Tag of an experiment: the view that `links.runs_url` opens."""


def monitoring_experiment(mlflow: Mlflow) -> str:
    """Name of the experiment of the nightly monitoring."""
    return f"{mlflow.experiment}-monitoring"


def create(client: "MlflowClient", settings: Settings, name: str) -> str:
    """Create an experiment whose artifacts lie beside the database, or where the server puts them; return its id."""
    artifacts = None
    if not settings.tracking_uri.startswith("http"):
        artifacts = str(Path(settings.home_path / "mlartifacts").resolve())
    return str(client.create_experiment(name, artifact_location=artifacts, tags=EXPERIMENT_TAGS))


def experiment_id(client: "MlflowClient", settings: Settings, name: str | None = None) -> str:
    """Id of an experiment, by default the one that `connect` created.

    Raises:
        PurseError: there is no such experiment.
    """
    experiment = client.get_experiment_by_name(name or settings.mlflow.experiment)
    if experiment is None:
        raise PurseError(
            f"MLflow has no experiment '{name or settings.mlflow.experiment}'. Run the step again to create it."
        )
    return str(experiment.experiment_id)


def monitoring_id(client: "MlflowClient", settings: Settings) -> str:
    """Id of the experiment of the nightly monitoring; create it if it is new.

    Raises:
        PurseError: it was deleted, or its artifacts lie in a foreign place.
    """
    name = monitoring_experiment(settings.mlflow)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return create(client, settings, name)
    if experiment.lifecycle_stage == "deleted":
        raise PurseError(
            f"The MLflow experiment '{name}' was deleted (experiment_deleted). Restore it with 'mlflow experiments "
            f"restore --experiment-id {experiment.experiment_id}', or set mlflow.experiment to another name."
        )
    require_own_location(settings, experiment.artifact_location)
    return str(experiment.experiment_id)


def set_view(client: "MlflowClient", settings: Settings) -> None:
    """Give the experiment of retrainings its view: best validation nGini first, six columns."""
    experiment, value = client.get_experiment(experiment_id(client, settings)), json.dumps(VIEW)
    if experiment.tags.get(VIEW_TAG) != value:
        client.set_experiment_tag(experiment.experiment_id, VIEW_TAG, value)


def runs_page(settings: Settings) -> str:
    """Address of the table of runs, without asking MLflow; of the UI if this home's database has no runs yet."""
    file = database_file(settings)
    if file is not None and file.is_file():
        with closing(sqlite3.connect(file, timeout=5)) as connection:
            query = "SELECT experiment_id FROM experiments WHERE name = ?"
            if found := connection.execute(query, (settings.mlflow.experiment,)).fetchone():
                return links.runs_url(settings, str(found[0]))
    return links.mlflow_url(settings)
