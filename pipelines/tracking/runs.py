"""MLflow runs: connect to the server, resume a retraining's parent run, log data versions.

A retraining is one parent run, identified by the tag `purse.training_id`; its trials are nested runs. Each step
resumes the parent run and ends it, so that the rerun of a killed step continues it and no run stays RUNNING after a
step. When several sweep workers run, the last one sets it FINISHED.
"""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines import links
from pipelines.errors import PurseError, ServiceDown
from pipelines.files import exclusive
from pipelines.settings import REPOSITORY, Settings
from pipelines.tracking.addresses import follow_move, require_own_location
from pipelines.tracking.database import database_file, migrate
from pipelines.tracking.experiments import create, experiment_id, set_view
from pipelines.tracking.login import log_in

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Report a server that is down within seconds (MLflow's defaults retry for minutes); reserve stdout for results.
CLIENT_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
}
QUIET = (
    "alembic",
    "mlflow.store.db.utils",
    "mlflow.models.signature",
    "mlflow.pyfunc",
    "mlflow.system_metrics",
    "mlflow.tracking",
)
TRAINING_ID = "purse.training_id"
"""Tag of every run of a retraining: its training_id."""

PREPARED: set[tuple[Path, int]] = set()
"""Databases, with their inodes, that this process has prepared: looking at the schema takes a tenth of a second."""

KIND = "purse.kind"
"""Tag of a run: "retraining" (the parent), "trial", "network" or "baseline"."""

Parent = Literal["retraining", "baseline"]
"""Kinds of runs that steps resume: a retraining's, and the one of the baseline that was trained beside it."""


def connect(settings: Settings, *, restore: bool = False) -> "MlflowClient":
    """Connect to the tracking server; create its database and experiment if they are new.

    Args:
        settings: the settings.
        restore: restore the experiment if it was deleted.

    Raises:
        ServiceDown: MLflow does not answer.
        PurseError: its experiment was deleted, its artifacts lie in a foreign place, or another
            user's program listens on its port.
    """
    for name, value in CLIENT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(
        logging.ERROR
    )  # it warns that pip is missing; uv doesn't install it
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    log_in(settings)
    mlflow.set_tracking_uri(settings.tracking_uri)
    try:
        experiment = None
        # a server has its tables: reading needs no lock, nor a writable home
        if settings.tracking_uri.startswith("http"):
            client = mlflow.MlflowClient(settings.tracking_uri)
            experiment = client.get_experiment_by_name(settings.mlflow.experiment)
        if experiment is None:
            with exclusive(settings, "mlflow"):  # two processes that create the tables at once would fail
                prepare_database(settings)
                client = mlflow.MlflowClient(settings.tracking_uri)
                experiment = client.get_experiment_by_name(settings.mlflow.experiment)
                if experiment is None:
                    create(client, settings, settings.mlflow.experiment)
    except (MlflowException, SQLAlchemyError) as error:
        raise _unreachable(settings, error) from error
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        if not restore:
            raise PurseError(
                f"The MLflow experiment '{settings.mlflow.experiment}' was deleted (experiment_deleted). Restore it "
                "and its runs with 'purse champion --restore', or set mlflow.experiment to another name."
            )
        client.restore_experiment(experiment.experiment_id)
    if experiment is not None:
        require_own_location(settings, experiment.artifact_location)
    return client


def prepare_database(settings: Settings) -> None:
    """Bring MLflow's SQLite database to the installed version and to the home's place; the caller holds the lock.

    Raises:
        PurseError: see `database.migrate`.
    """
    file = database_file(settings)
    if file is not None and not (file.is_file() and (file, file.stat().st_ino) in PREPARED):
        migrate(file)
        # another home's database is not ours to rewrite
        if file.resolve().is_relative_to(settings.home_path.resolve()):
            follow_move(settings, file)
        PREPARED.add((file, file.stat().st_ino))


def find_runs(client: "MlflowClient", settings: Settings, kind: str, training_id: str) -> list[Any]:
    """Find the runs of one retraining by `KIND`, oldest first."""
    query = f"tags.`{TRAINING_ID}` = '{training_id}' and tags.`{KIND}` = '{kind}'"
    experiments = [experiment_id(client, settings)]
    return list(client.search_runs(experiments, query, order_by=["attributes.start_time ASC"], max_results=10_000))


def retraining_run(settings: Settings, training_id: str, kind: Parent = "retraining") -> str:
    """Id of the retraining's run of this kind; create it if it is new."""
    client = connect(settings)
    with exclusive(settings, "mlflow"):
        set_view(client, settings)
        if runs := find_runs(client, settings, kind, training_id):
            return str(runs[0].info.run_id)
        tags, name = {TRAINING_ID: training_id, KIND: kind}, "retrain" if kind == "retraining" else kind
        run = client.create_run(experiment_id(client, settings), tags=tags, run_name=f"{name} {training_id}")
        return str(run.info.run_id)


def run_state(client: "MlflowClient", run_id: str) -> Literal["active", "deleted", "lost"]:
    """Whether a run exists, was deleted (MLflow can restore it), or is gone for good.

    Raises:
        MlflowException: MLflow does not answer.
    """
    from mlflow.exceptions import MlflowException

    try:
        return "deleted" if client.get_run(run_id).info.lifecycle_stage == "deleted" else "active"
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return "lost"
        raise


@contextmanager
def resumed_run(
    settings: Settings, training_id: str, kind: Parent = "retraining", *, system_metrics: bool = False
) -> Iterator[str]:
    """Resume the retraining's run of this kind as MLflow's active run; end it FINISHED, or FAILED after an error.

    Args:
        settings: the settings.
        training_id: training_id of the retraining.
        kind: which of its runs.
        system_metrics: log the machine's load to the run (GPU load needs nvidia-ml-py).

    Raises:
        ServiceDown: MLflow does not answer at the start or inside the block.
    """
    run_id = retraining_run(settings, training_id, kind)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with mlflow.start_run(run_id=run_id, log_system_metrics=system_metrics):
            yield run_id
    except MlflowException as error:
        if "API request to" in str(error):
            raise _unreachable(settings, error) from error
        raise


def run_url(settings: Settings, run_id: str) -> str | None:
    """Address of the run's page in the MLflow UI; None if runs are stored in a database without a server."""
    if not (settings.mlflow.public_url or settings.tracking_uri).startswith("http"):
        return None
    return links.run_url(settings, str(connect(settings).get_run(run_id).info.experiment_id), run_id)


def log_data(client: "MlflowClient", settings: Settings, run_id: str, table: str, version: int, context: str) -> None:
    """Attach a version of a lake table to a run as a data set; MLflow stores equal digests once."""
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    source = DeltaDatasetSource(path=f"{settings.lake}/{table}", delta_table_version=version)
    data = MetaDataset(source, name=table, digest=f"version-{version}")
    tags = [InputTag(MLFLOW_DATASET_CONTEXT, context)]
    client.log_inputs(run_id, [DatasetInput(data._to_mlflow_entity(), tags)])


def git_commit() -> str:
    """Commit of this checkout, with "+changes" if files differ; "unknown" outside git."""
    try:
        return _git("rev-parse", "HEAD") + ("+changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603  (fixed words)
    return done.stdout.strip()


def _unreachable(settings: Settings, error: Exception) -> ServiceDown:
    reason = str(error).splitlines()[0][:300]
    return ServiceDown(
        f"MLflow at {settings.tracking_uri} does not answer ({reason}). Start it with 'purse up', or correct "
        "mlflow.tracking_uri, and run the step again: it continues where it stopped."
    )
