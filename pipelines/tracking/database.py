"""MLflow's SQLite database: created and upgraded beside, then renamed, since MLflow does neither in one transaction."""

import sqlite3
from contextlib import closing
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.sqlite import migrated_beside, remove

PREFIX = "sqlite:///"


def database_file(settings: Settings) -> Path | None:
    """File of MLflow's database; None if a server or another database has it."""
    uri = settings.tracking_uri
    return Path(uri.removeprefix(PREFIX)) if uri.startswith(PREFIX) else None


def migrate(file: Path) -> None:
    """Create MLflow's database or bring it to the installed version; do nothing if it is up to date.

    A database that an interrupted first start left unfinished, without runs and models, is created anew. The caller
    holds the lock `mlflow`.

    Raises:
        PurseError: MLflow cannot upgrade the database, which stays as it was; or the file is damaged.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.utils import _get_latest_schema_revision
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if file.exists() and _revision(file) == _get_latest_schema_revision():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with migrated_beside(file) as draft:
            try:
                _migrate(draft)
            except (MlflowException, SQLAlchemyError):
                if _holds_anything(draft):
                    raise
                remove(draft)
                _migrate(draft)
    except (MlflowException, SQLAlchemyError, sqlite3.DatabaseError) as error:
        raise PurseError(
            f"MLflow's database {file} can't be brought to the installed version: {str(error).splitlines()[0][:300]}. "
            f"It is as it was. Restore it from a backup; without one, move it away with 'mv {file} {file}.broken' and "
            "train again: runs and registered models are then lost, and scores in the lake stay."
        ) from error


def _migrate(draft: Path) -> None:
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(f"{PREFIX}{draft}")
    try:  # as `mlflow db upgrade` does
        (utils._initialize_tables if utils._is_empty_database(engine) else utils._upgrade_db)(engine)
    finally:
        engine.dispose()


def _revision(file: Path) -> str | None:
    """Schema revision of a database; None if it has none."""
    with closing(sqlite3.connect(file, timeout=60)) as connection:
        if "alembic_version" not in _tables(connection):
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None


def _holds_anything(file: Path) -> bool:
    """Whether a database has runs or registered models."""
    with closing(sqlite3.connect(file)) as connection:
        tables = _tables(connection) & {"runs", "registered_models"}
        return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
