"""The active model: MLflow's alias `champion`, and this home's own record of the version it set.

Anyone with MLflow's login can move the alias. Purse follows it to versions that this home sealed, and says so: in the
audit log, on the dashboard and in the next decision.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipelines.audit import record
from pipelines.errors import NothingToDo
from pipelines.files import write_atomically
from pipelines.settings import Settings
from pipelines.tracking.registry import CHAMPION, version_of
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Recorded(BaseModel):
    """Content of `<home>/champion.json`.

    Attributes:
        model: name of the registered model.
        version: version that was last seen as champion.
        moved_from: version that Purse had set, if the alias was moved from it by hand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    moved_from: str | None = None


def champion_version(settings: Settings) -> str:
    """Version number of the champion.

    Raises:
        NothingToDo: no champion exists yet.
        PurseError: MLflow does not answer.
    """
    version = find_champion(settings, connect(settings))
    if version is None:
        raise NothingToDo(
            f"'{settings.mlflow.model_name}' has no champion yet. Run retrain_daily, or 'purse train' to 'purse "
            "promote'."
        )
    return version


def find_champion(settings: Settings, client: "MlflowClient") -> str | None:
    """Version with the alias; if the alias was deleted by hand, the version that Purse set; None before the first."""
    recorded = read_record(settings)
    return version_of(client, settings.mlflow.model_name, CHAMPION) or (recorded.version if recorded else None)


def set_champion(settings: Settings, client: "MlflowClient", version: str) -> None:
    """Set the alias and record the version."""
    client.set_registered_model_alias(settings.mlflow.model_name, CHAMPION, version)
    _write(settings, Recorded(model=settings.mlflow.model_name, version=version))


def moved_from(settings: Settings, version: str | None) -> str | None:
    """Version that Purse had made champion, if somebody else made `version` the champion since; otherwise None."""
    recorded = read_record(settings)
    if recorded is None or version is None:
        return None
    return recorded.moved_from if recorded.version == version else recorded.version


def notice_move(settings: Settings, version: str, moment: datetime) -> None:
    """Write to the audit log, once, that the alias was moved by hand to `version`."""
    recorded = read_record(settings)
    if recorded is None or recorded.version == version:
        return
    details = {"from_version": recorded.version, "to_version": version}
    record(settings.serving_folder, moment, "MLflow", "champion.moved", "noticed", **details)
    _write(settings, recorded.model_copy(update={"version": version, "moved_from": recorded.version}))


def read_record(settings: Settings) -> Recorded | None:
    """Read the record; None before the model's first promotion."""
    file = _file(settings)
    recorded = Recorded.model_validate_json(file.read_bytes()) if file.is_file() else None
    return recorded if recorded and recorded.model == settings.mlflow.model_name else None


def _write(settings: Settings, recorded: Recorded) -> None:
    write_atomically(_file(settings), recorded.model_dump_json().encode())


def _file(settings: Settings) -> Path:
    return settings.home_path / "champion.json"
