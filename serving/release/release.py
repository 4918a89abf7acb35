"""A release: a version of the model over a scored snapshot, in a folder complete without MLflow and the lake."""

import json
import pickle
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.canary import CANARY_FILE
from pipelines.errors import PurseError
from pipelines.files import exclusive
from pipelines.lake import tables as lake
from pipelines.lake.names import FEATURE_TABLE
from pipelines.lake.rows import snapshot_rows
from pipelines.lake.sql import literal
from pipelines.settings import Settings
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from models.purchasing_power import PurchasingPower

ABOUT = "release.json"
MODEL = "model.pkl"
REGISTERED = "registered.pkl"
"""Calibration and intervals as they were registered, and evaluated, before money was levelled for the snapshot."""

HISTORY = "history.duckdb"
SCORES = "scores.parquet"


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
    from pipelines.tracking.registry import champion_version

    root.mkdir(parents=True, exist_ok=True)
    version = champion_version(settings)
    with exclusive(settings, "serving-release"):
        for left in root.glob(".*"):  # of a process that was killed
            shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(dir=root, prefix="."))
        try:
            release = _write(settings, version, folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        return _put(folder, root / f"{version}-{release.snapshot_date}")


def newest(root: Path) -> Path | None:
    """The folder of the release whose scores were computed last; None: there is none."""
    folders = [path.parent for path in root.glob(f"[!.]*/{ABOUT}")]
    return max(folders, key=lambda folder: (Release.read(folder).created_at, folder.name), default=None)


def remove_others(root: Path, *kept: Path) -> None:
    """Delete every release but those named: the one in force and the one before it."""
    for path in root.glob(f"[!.]*/{ABOUT}"):
        if path.parent not in kept:
            shutil.rmtree(path.parent)


def _write(settings: Settings, version: str, folder: Path) -> Release:
    from serving.release import history

    snapshot_date, created_at = _write_scores(settings, version, folder / SCORES)
    model = _write_model(settings, version, snapshot_date, folder)
    history.write(settings, snapshot_date, folder / HISTORY)
    _write_canary(settings, version, folder)
    release = Release(
        model_version=version,
        snapshot_date=snapshot_date,
        horizon_days=model.horizon_days,
        created_at=created_at,
        columns=_columns(settings),
        backend=settings.training.backend,
    )
    (folder / ABOUT).write_text(json.dumps(asdict(release), default=lambda value: value.isoformat(), indent=1))
    return release


def _write_scores(settings: Settings, version: str, path: Path) -> tuple[date, datetime]:
    """The newest snapshot that the version has scored, and when; its scores are written to `path`."""
    connection, found = lake.connect(), None
    if lake.exists(settings, "predictions"):
        scores = lake.read(connection, settings, "predictions")
        scores = scores.filter(scores.model_version == version)
        newest_first = scores.group_by("snapshot_date").aggregate(at=scores.scored_at.max()).order_by("snapshot_date")
        found = newest_first.to_pyarrow().to_pylist()
    if not found:
        raise PurseError(
            f"The champion, version {version}, has scored no snapshot yet. Run score_daily, or 'purse build-features' "
            "and 'purse score', and deploy again."
        )
    day, at = found[-1]["snapshot_date"], found[-1]["at"]
    rows = scores.filter(scores.snapshot_date == day).order_by("user_id")
    connection.raw_sql(f"COPY ({connection.compile(rows)}) TO {literal(path)} (FORMAT parquet)")
    return day, at.replace(tzinfo=UTC)


def _write_model(settings: Settings, version: str, snapshot_date: date, folder: Path) -> "PurchasingPower":
    """The model at the level that the snapshot's scores have, and what the level replaced."""
    from pipelines.retraining.level import forecast_level
    from pipelines.tracking.logged_model import load_model

    model = load_model(settings, f"models:/{settings.mlflow.model_name}/{version}")
    features = snapshot_rows(lake.connect(), settings, FEATURE_TABLE, snapshot_date).to_pyarrow().to_pandas()
    levelled = model.levelled(features, forecast_level(settings, snapshot_date).expected)
    (folder / MODEL).write_bytes(pickle.dumps(levelled))
    (folder / REGISTERED).write_bytes(pickle.dumps({"calibration": model.calibration, "intervals": model.intervals}))
    return levelled


def _write_canary(settings: Settings, version: str, folder: Path) -> None:
    """The canary set that `evaluate` kept with the version's run; none for a champion from before it kept one."""
    client = connect(settings)
    from mlflow.exceptions import MlflowException

    try:
        run_id = client.get_model_version(settings.mlflow.model_name, version).run_id
        if CANARY_FILE in {file.path for file in client.list_artifacts(run_id)}:
            client.download_artifacts(run_id, CANARY_FILE, str(folder))
    except (MlflowException, OSError) as error:
        raise PurseError(
            f"The canary set of version {version} cannot be read at {settings.tracking_uri}: {error}. "
            "Deploy again when the MLflow server answers."
        ) from error


def _columns(settings: Settings) -> tuple[str, ...]:
    """The columns that the source gives, such as "order_lines.amount"."""
    connection, tables = lake.connect(), ("order_lines", "users", "products", "events")
    raw = {
        name: lake.read(connection, settings, f"raw/{name}") for name in tables if lake.exists(settings, f"raw/{name}")
    }
    return tuple(f"{name}.{column}" for name, table in raw.items() for column in table.columns)


def _put(folder: Path, target: Path) -> Path:
    """Rename a folder into its place, out of which what was there goes first."""
    if target.exists():
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=".")) / target.name
        target.rename(old)
        shutil.rmtree(old.parent)
    return folder.rename(target)
