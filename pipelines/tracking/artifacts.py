"""Artifacts of runs, which MLflow's server may have changed: read by the run's id, limited in size, typed."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.addresses import require_own_location
from pipelines.tracking.runs import run_state

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_ID = re.compile(r"[0-9a-f]{32}")
MAX_BYTES = 20_000_000
"""Maximum size of an artifact that Purse reads."""

T = TypeVar("T")


class DamagedArtifact(PurseError):  # noqa: N818 - describes the artifact
    """An artifact that holds something else than Purse wrote."""

    def __init__(self, run_id: str, name: str, problem: str) -> None:
        """Set the message; `problem` is kept for messages with another way out."""
        self.problem = problem
        super().__init__(
            f"The artifact {name} of run {run_id} is damaged: {problem}. Run 'purse evaluate' with the "
            "--snapshot-date of its training to write it again, and find out who changed it."
        )


def read_text(settings: Settings, client: "MlflowClient", run_id: str, name: str) -> str | None:
    """Read an artifact's text; None if the run or the artifact does not exist.

    Raises:
        DamagedArtifact: it is too large, or no UTF-8.
        PurseError: MLflow or its store does not answer, or the run's artifacts lie in a foreign place.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = download(settings, client, run_id, name, Path(folder))
        if path is None:
            return None
        try:
            return path.read_text()
        except UnicodeDecodeError as error:
            raise DamagedArtifact(run_id, name, "it is no UTF-8 text") from error


def read_json(settings: Settings, client: "MlflowClient", run_id: str, name: str, kind: TypeAdapter[T]) -> T | None:
    """Read an artifact of JSON as a type; None if the run or the artifact does not exist.

    Raises:
        DamagedArtifact: it does not fit the type.
        PurseError: see `read_text`.
    """
    text = read_text(settings, client, run_id, name)
    if text is None:
        return None
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "its beginning"
        raise DamagedArtifact(run_id, name, f"at {place[:200]}: {first['msg'][:200]}") from error


def download(settings: Settings, client: "MlflowClient", run_id: str, name: str, folder: Path) -> Path | None:
    """Download an artifact into a folder; return its path, or None if the run or the artifact does not exist.

    Args:
        settings: the settings.
        client: client of the tracking server.
        run_id: id of the run.
        name: name of the artifact, without a folder.
        folder: existing folder.

    Raises:
        DamagedArtifact: it is larger than `MAX_BYTES`.
        PurseError: MLflow or its store does not answer, or the run's artifacts lie in a foreign place.
    """
    from mlflow.exceptions import MlflowException

    if not RUN_ID.fullmatch(run_id):
        return None
    try:
        if run_state(client, run_id) == "lost":
            return None
        require_own_location(settings, client.get_run(run_id).info.artifact_uri)
        sizes = {file.path: file.file_size or 0 for file in client.list_artifacts(run_id) if not file.is_dir}
        if name not in sizes:
            return None
        if sizes[name] > MAX_BYTES:
            raise DamagedArtifact(run_id, name, f"it has {sizes[name]:,} bytes, and at most {MAX_BYTES:,} are read")
        return Path(client.download_artifacts(run_id, name, str(folder)))
    except (MlflowException, OSError) as error:
        raise PurseError(
            f"The artifact {name} of run {run_id} can't be read at {settings.tracking_uri}: "
            f"{str(error).splitlines()[0][:300]} Check MLflow and its artifact store, and try again."
        ) from error
