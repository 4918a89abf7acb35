"""Step `trust`: seal a registered version after a person looked at it, for homes that were restored or moved."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.audit import record
from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.logged_model import fetch
from pipelines.tracking.runs import connect


@dataclass(frozen=True)
class Inspected:
    """A registered version as a person has to judge it.

    Attributes:
        version, family, run_id: as MLflow says.
        created_at, created_by: as MLflow says; `created_by` is empty if it does not.
        sealed: whether this home registered it, or trusted it before.
        digest: digest of its files as they are now.
        files: its files.
    """

    version: str
    family: str
    run_id: str
    created_at: datetime
    created_by: str
    sealed: bool
    digest: str
    files: list[seals.FileFacts]

    @property
    def pickles(self) -> list[str]:
        """Names of the files that run code when the model is read."""
        return [file.name for file in self.files if file.name.endswith(".pkl")]


def inspect(settings: Settings, version: str) -> Inspected:
    """Fetch a version's files without reading the model from them.

    Raises:
        PurseError: the version does not exist, or MLflow or its store does not answer.
    """
    client, name = connect(settings), settings.mlflow.model_name
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version(name, version)
        run = client.get_run(found.run_id) if found.run_id else None
    except MlflowException as error:
        raise PurseError(f"'{name}' has no version {version}. Choose one that the MLflow UI lists.") from error
    with tempfile.TemporaryDirectory() as folder:
        path = fetch(settings, str(found.source), Path(folder))
        digest, files = seals.digest(path), seals.files(path)
    return Inspected(
        version=version,
        family=_plain(found.tags.get("family")),
        run_id=_plain(found.run_id),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, tz=UTC),
        created_by=_plain(run.data.tags.get("mlflow.user") if run else None),
        sealed=seals.sealed_digest(settings, found) == digest,
        digest=digest,
        files=files,
    )


def trust(settings: Settings, inspected: Inspected, who: str, now: datetime) -> None:
    """Seal the files that were inspected, and write who trusted them to the audit log."""
    client, name = connect(settings), settings.mlflow.model_name
    for tag, value in seals.version_tags(settings, name, inspected.version, inspected.digest).items():
        client.set_model_version_tag(name, inspected.version, tag, value)
    details = {"version": inspected.version, "digest": inspected.digest}
    record(settings.serving_folder, now, who, "model.trust", "done", **details)


def _plain(text: str | None) -> str:
    """Text from MLflow without characters that move a terminal's cursor, and not long."""
    return "".join(filter(str.isprintable, text or ""))[:300]
