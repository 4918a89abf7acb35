"""This home's own record of the champion, which MLflow's users cannot change."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.lake import tables
from pipelines.settings import Settings


class Recorded(BaseModel):
    """Content of `<home>/champion.json`.

    Attributes:
        model: name of the registered model.
        version: version that was last seen as champion.
        moved_from: version that Purse had set, if the alias was moved from it by hand.
        digest: digest of the version's files; None: unknown. MLflow numbers versions anew after a model was deleted.
        baseline: name of the baseline that the version is; None: a model, or unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    moved_from: str | None = None
    digest: str | None = None
    baseline: str | None = None

    def in_words(self) -> str:
        """The version, and whether it is a baseline.

        >>> Recorded(model="purchasing-power", version="2", baseline="history_rate").in_words()
        'version 2, the baseline history_rate, until a model is shown to be better'
        """
        until = f", the baseline {self.baseline}, until a model is shown to be better" if self.baseline else ""
        return f"version {self.version}{until}"


def read_record(settings: Settings) -> Recorded | None:
    """Read the record, or, where none was written, make one of the newest scores; None before the first champion.

    Raises:
        PurseError: the file is damaged.
    """
    file = _file(settings)
    if not file.is_file():
        scored = _last_scored(settings)
        return Recorded(model=settings.mlflow.model_name, version=scored) if scored else None
    try:
        recorded = Recorded.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise PurseError(
            f"The record of the champion, {file}, is damaged (record_damaged): {error.errors()[0]['msg']}. "
            "Write it again with 'purse champion VERSION'; the MLflow UI shows which version has the alias 'champion'."
        ) from error
    return recorded if recorded.model == settings.mlflow.model_name else None


def write_record(settings: Settings, recorded: Recorded) -> None:
    """Write the record."""
    write_atomically(_file(settings), recorded.model_dump_json().encode())


def _last_scored(settings: Settings) -> str | None:
    """Version that made the newest scores; None without scores."""
    if not tables.exists(settings, "predictions"):
        return None
    scores = tables.read(tables.connect(), settings, "predictions")
    newest = scores.order_by(scores.snapshot_date.desc()).limit(1).model_version.to_pyarrow().to_pylist()
    return str(newest[0]) if newest else None


def _file(settings: Settings) -> Path:
    return settings.home_path / "champion.json"
