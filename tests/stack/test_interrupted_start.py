"""A first start that is killed at any moment leaves a home that the next start can use."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from mlflow.store.db.base_sql_model import Base

from pipelines import sqlite
from pipelines.errors import PurseError
from pipelines.settings import REPOSITORY
from pipelines.tracking import database
from pipelines.tracking.runs import PREPARED, connect, retraining_run
from stack import airflow_home

FIRST = """
from pathlib import Path
from pipelines.tracking.database import migrate
import mlflow.store.db.utils, sys
print("begins", flush=True)
migrate(Path(sys.argv[1]))
"""


def kill_after(seconds: float, code: str, file) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


def tables(file) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_mlflows_database_is_whole_or_absent_whenever_its_first_start_is_killed(tmp_path):
    file, moments = tmp_path / "mlflow.db", random.Random(0)
    for _ in range(2):
        kill_after(moments.uniform(0.05, 0.6), FIRST, file)
        assert not file.exists() or set(Base.metadata.tables) <= tables(file)
        file.unlink(missing_ok=True)
    database.migrate(file)
    assert set(Base.metadata.tables) <= tables(file)
    assert sqlite.drafts(file) == []


def test_a_database_that_an_older_version_left_unfinished_is_made_anew(settings):
    file = settings.home_path / "mlflow.db"
    settings.home_path.mkdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE jobs (id INTEGER)")  # what mlflow/mlflow#23721 stumbles over
        connection.execute("CREATE TABLE experiments (id INTEGER)")
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    assert retraining_run(settings, "2020-01-01-1")
    assert set(Base.metadata.tables) <= tables(file)


def test_a_database_with_runs_that_cannot_be_upgraded_stays_as_it_was(settings, empty_mlflow):
    settings.home_path.mkdir()
    file = settings.home_path / "mlflow.db"
    shutil.copy(empty_mlflow, file)
    retraining_run(settings, "2020-01-01-1")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f5a4f2784254'")
    before = file.read_bytes()
    PREPARED.clear()  # as in a new process
    with pytest.raises(PurseError, match=r"mlflow.db can't be brought to the installed version.*mv .*mlflow.db "):
        connect(settings)
    assert file.read_bytes() == before
    assert sqlite.drafts(file) == []


def test_a_copy_that_fails_leaves_the_database_and_its_journal(tmp_path):
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t AS SELECT 1 AS x")
        writer.commit()
        with pytest.raises(sqlite3.OperationalError), sqlite.migrated_beside(file) as draft:
            sqlite3.connect(draft).execute("DROP TABLE u")
    with sqlite.migrated_beside(file) as draft, closing(sqlite3.connect(draft)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (2)")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
    assert [path.name for path in tmp_path.iterdir()] == ["some.db"]
    assert file.stat().st_mode & 0o077 == 0


def test_airflows_database_is_whole_whenever_its_first_start_is_killed(settings):
    airflow_home.prepare(settings)
    folder = settings.home_path / "airflow"
    (folder / "airflow.db").write_bytes(b"")
    with closing(sqlite3.connect(folder / "airflow.db")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("CREATE TABLE dag (id INTEGER)")
    airflow_home.migrate(settings)
    assert {"dag_run", "task_instance"} <= tables(folder / "airflow.db")
