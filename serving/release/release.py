"""A release: a model version and a scored snapshot in one folder, usable without MLflow and the lake."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.inputs import tables_read
from models.canary import CANARY_FILE
from pipelines.errors import PurseError
from pipelines.files import exclusive
from pipelines.lake import tables as lake
from pipelines.lake.names import FEATURE_TABLE
from pipelines.lake.rows import snapshot_rows
from pipelines.lake.sql import literal
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.artifacts import download
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from models.purchasing_power import PurchasingPower

ABOUT = "release.json"
MODEL = "model"
"""Sealed folder: the model at the snapshot's forecast level, see `models.storage`."""

REGISTERED = "registered"
"""Sealed folder: calibration and intervals as registered and evaluated, before spend was scaled to that level."""

HISTORY = "history.duckdb"
SCORES = "scores.parquet"


@dataclass(frozen=True)
class Release:
    """Content of `release.json`.

    Attributes:
        model_version: version of the registered model.
        snapshot_date: exclusive end of the history; live rows start on this day.
        horizon_days: length of the window that predictions cover.
        created_at: when the scores were computed, in UTC.
        columns: columns of the source, such as "order_lines.amount"; they determine the available features.
        backend: backend of Keras.
        reads: tables that the model's features are computed from; None: written before this was recorded.
        baseline: name of the baseline that scores until a model beats it; None: a model scores.
    """

    model_version: str
    snapshot_date: date
    horizon_days: int
    created_at: datetime
    columns: tuple[str, ...]
    backend: str
    reads: tuple[str, ...] | None = None
    baseline: str | None = None

    @classmethod
    def read(cls, folder: Path) -> "Release":
        """Read the release in a folder."""
        about = json.loads((folder / ABOUT).read_text())
        return cls(
            model_version=about["model_version"],
            snapshot_date=date.fromisoformat(about["snapshot_date"]),
            horizon_days=about["horizon_days"],
            created_at=datetime.fromisoformat(about["created_at"]),
            columns=tuple(about["columns"]),
            backend=about["backend"],
            reads=tuple(about["reads"]) if about.get("reads") is not None else None,
            baseline=about.get("baseline"),
        )


def prepare(settings: Settings, root: Path) -> Path:
    """Write the release of the champion and the newest snapshot that it scored; return its folder.

    The folder `<version>-<snapshot_date>` under `root` appears only when complete. It replaces an existing one; an
    engine that has opened that one keeps its files.

    Raises:
        NothingToDo: there is no champion.
        PurseError: the champion has not scored a snapshot yet, or cannot be loaded.
    """
    from pipelines.tracking.champion import champion_version

    root.mkdir(parents=True, exist_ok=True)
    version = champion_version(settings)
    with exclusive(settings, "serving/release"):
        for leftover in root.glob(".*"):  # from a killed process
            shutil.rmtree(leftover)
        folder = Path(tempfile.mkdtemp(dir=root, prefix="."))
        try:
            release = _write(settings, version, folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        return _move(folder, root / f"{version}-{release.snapshot_date}")


def remove_others(root: Path, *retained: Path) -> None:
    """Delete all releases except the given ones: the active and the previous one."""
    for path in root.glob(f"[!.]*/{ABOUT}"):
        if path.parent not in retained:
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
        reads=tables_read(model.feature_names),
        baseline=model.baseline,
    )
    (folder / ABOUT).write_text(json.dumps(asdict(release), default=lambda value: value.isoformat(), indent=1))
    return release


def _write_scores(settings: Settings, version: str, path: Path) -> tuple[date, datetime]:
    """Write the scores of the version's newest snapshot to `path`; return the snapshot and when it was scored."""
    connection, snapshots = lake.connect(), None
    if lake.exists(settings, "predictions"):
        scores = lake.read(connection, settings, "predictions")
        scores = scores.filter(scores.model_version == version)
        oldest_first = scores.group_by("snapshot_date").aggregate(at=scores.scored_at.max()).order_by("snapshot_date")
        snapshots = oldest_first.to_pyarrow().to_pylist()
    if not snapshots:
        raise PurseError(
            f"The champion, version {version}, has not scored a snapshot yet. Run score_daily, or 'purse "
            "build-features' and 'purse score', and deploy again."
        )
    day, at = snapshots[-1]["snapshot_date"], snapshots[-1]["at"]
    rows = scores.filter(scores.snapshot_date == day).order_by("user_id")
    connection.raw_sql(f"COPY ({connection.compile(rows)}) TO {literal(path)} (FORMAT parquet)")
    return day, at.replace(tzinfo=UTC)


def _write_model(settings: Settings, version: str, snapshot_date: date, folder: Path) -> "PurchasingPower":
    """Write and return the model at the snapshot's forecast level; write the registered calibration beside it."""
    from pipelines.retraining.level import forecast_level
    from pipelines.tracking.logged_model import load_version

    model = load_version(settings, version)
    features = snapshot_rows(lake.connect(), settings, FEATURE_TABLE, snapshot_date).to_pyarrow().to_pandas()
    levelled = model.levelled(features, forecast_level(settings, snapshot_date).expected)
    write_model(settings.home_path, levelled, {"calibration": model.calibration, "intervals": model.intervals}, folder)
    return levelled


def write_model(home: Path, model: "PurchasingPower", registered: Mapping[str, object], folder: Path) -> None:
    """Write and seal the model and its registered parts in a release's folder."""
    from models import storage

    for name, content in ((MODEL, model), (REGISTERED, dict(registered))):
        storage.write(content, folder / name)
        seals.seal_folder(home, folder / name)


def read_model(home: Path, folder: Path) -> "tuple[PurchasingPower, dict[str, Any]]":
    """Verify and read what `write_model` wrote.

    Raises:
        NotRegisteredHere: this home did not write the files, or they were changed since.
    """
    from models import storage

    for name in (MODEL, REGISTERED):
        seals.require_sealed_folder(home, folder / name)
    return storage.read(folder / MODEL), storage.read(folder / REGISTERED)


def _write_canary(settings: Settings, version: str, folder: Path) -> None:
    """Download the canary set that `evaluate` logged, if the version's run has one."""
    client = connect(settings)
    run_id = client.get_model_version(settings.mlflow.model_name, version).run_id
    download(settings, client, run_id or "", CANARY_FILE, folder)


def _columns(settings: Settings) -> tuple[str, ...]:
    """Columns of the source, such as "order_lines.amount"."""
    connection, tables = lake.connect(), ("order_lines", "users", "products", "events")
    raw = {
        name: lake.read(connection, settings, f"raw/{name}") for name in tables if lake.exists(settings, f"raw/{name}")
    }
    return tuple(f"{name}.{column}" for name, table in raw.items() for column in table.columns)


def _move(folder: Path, target: Path) -> Path:
    """Move a folder to its target, after moving away and deleting an existing one."""
    if target.exists():
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=".")) / target.name
        target.rename(old)
        shutil.rmtree(old.parent)
    return folder.rename(target)
