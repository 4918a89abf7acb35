"""Addresses of artifacts in MLflow's database: absolute paths, rewritten when a home was moved or copied."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.settings import Settings

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's tables that hold addresses."""

ARTIFACTS = "mlartifacts"


def follow_move(settings: Settings, database: Path) -> int:
    """Rewrite the addresses if the home lies elsewhere than when they were written; return the number of changes.

    `<home>/place.txt` records the place of the home, where MLflow's server cannot write. Only addresses below the
    recorded place change, to the same place below this home. The caller holds the lock `mlflow`.
    """
    record, here = settings.home_path / "place.txt", settings.home_path.resolve()
    before = Path(record.read_text()) if record.is_file() else _place_of(settings, database)
    if record.is_file() and before == here:
        return 0
    changes = _rewrite(database, before, here) if before and before != here else 0
    write_atomically(record, str(here).encode())
    return changes


def require_own_location(settings: Settings, location: str) -> None:
    """Raise unless artifacts lie where this home's artifacts belong: MLflow's server could name any place.

    Raises:
        PurseError: another place.
    """
    path = local_path(location)
    if root := settings.mlflow.artifact_root:
        own = f"{location}/".startswith(f"{root.rstrip('/')}/") and ".." not in location
    elif path is not None:
        own = path.resolve().is_relative_to((settings.home_path / "mlartifacts").resolve())
    else:
        own = urlsplit(location).scheme == "mlflow-artifacts"
    if not own:
        expected = settings.mlflow.artifact_root or f"{settings.home_path / 'mlartifacts'} or mlflow-artifacts:"
        raise PurseError(
            f"MLflow at {settings.tracking_uri} keeps artifacts at {location}; expected them at {expected}. If that "
            "place is yours, name it in mlflow.artifact_root; otherwise find out who changed the experiment, and set "
            "mlflow.experiment to another name."
        )


def local_path(location: str) -> Path | None:
    """Path of a location on this machine; None if it is on a server or in an object store."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else location)


def _place_of(settings: Settings, database: Path) -> Path | None:
    """Home in which the experiment keeps its artifacts, for a home without a record; None if it isn't there yet."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        location = connection.execute(query, (settings.mlflow.experiment,)).fetchone()
    if not location or not location[0]:
        return None
    path = Path(unquote(urlsplit(location[0]).path) if location[0].startswith("file:") else location[0])
    # the server adds the number of the experiment
    return next((place.parent for place in (path, path.parent) if place.name == ARTIFACTS), None)


def _rewrite(database: Path, before: Path, here: Path) -> int:
    """Replace the beginning of every address below one folder, in one transaction."""
    old, new = before / ARTIFACTS, here / ARTIFACTS
    pairs = ((str(old), str(new)), (old.as_uri(), new.as_uri()))
    changes = 0
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        for table, column in COLUMNS:
            for start, replacement in pairs:
                statement = (
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?"
                )
                values = (replacement, len(start) + 1, start, len(start) + 1, f"{start}/")
                changes += connection.execute(statement, values).rowcount
    return changes
