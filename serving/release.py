"""A release: a version of the model over a scored snapshot, in a folder complete without MLflow and the lake."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from pipelines.settings import Settings

ABOUT = "release.json"
MODEL = "model.pkl"
HISTORY = "history.duckdb"
SCORES = "scores.parquet"
CANARY = "canary.parquet"


@dataclass(frozen=True)
class Release:
    """What `release.json` says.

    Attributes:
        model_version: of the registered model.
        snapshot_date: exclusive end of the days in its history; live rows are of this day and later.
        horizon_days: the window that predictions are about.
        created_at: when its scores were computed, in UTC.
        columns: what the source gives, such as "order_lines.amount"; it says which features there are.
        backend: of Keras.
    """

    model_version: str
    snapshot_date: date
    horizon_days: int
    created_at: datetime
    columns: tuple[str, ...]
    backend: str

    @classmethod
    def read(cls, folder: Path) -> "Release":
        """The release in a folder."""
        about = json.loads((folder / ABOUT).read_text())
        return cls(
            model_version=about["model_version"],
            snapshot_date=date.fromisoformat(about["snapshot_date"]),
            horizon_days=about["horizon_days"],
            created_at=datetime.fromisoformat(about["created_at"]),
            columns=tuple(about["columns"]),
            backend=about["backend"],
        )


def prepare(settings: Settings, root: Path) -> Path:
    """Write the release of the champion and the newest snapshot that it scored; return its folder.

    The folder `<version>-<snapshot_date>` under `root` is there when it is complete, and not before; one that was there
    is replaced, which an engine that has it open does not notice.

    Raises:
        NothingToDo: there is no champion.
        PurseError: the champion has scored nothing yet, or cannot be loaded.
    """
    raise NotImplementedError


def newest(root: Path) -> Path | None:
    """The folder of the release whose scores were computed last; None: there is none."""
    raise NotImplementedError


def remove_others(root: Path, *kept: Path) -> None:
    """Delete every release but those named: the one in force and the one before it."""
    raise NotImplementedError
