"""Databases and small JSON files of a home: which there are, whether they are damaged, and the way out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import Settings
from pipelines.sqlite import damage


@dataclass(frozen=True)
class Damaged:
    """A damaged file of a home.

    Attributes:
        file: the file.
        problem: what is wrong with it.
        command: shell command that puts it out of the way.
        lost: what is lost without the file, and what replaces it.
    """

    file: Path
    problem: str
    command: str
    lost: str


DATABASES = {
    "mlflow.db": "runs and registered models are lost, so train again; scores in the lake stay",
    "optuna.db": "the trials of past sweeps are lost, and the next sweep makes a new file",
    "airflow/airflow.db": "the history of runs is lost; run 'purse down' before and 'purse up' after it",
    "mlflow/auth.db": "nothing is lost; run 'purse down' before and 'purse up' after it",
    "serving/store.db": "live rows since the newest release are lost; run 'purse down' before and 'purse up' after it",
}
"""SQLite databases of a home, and what is lost without each."""

RECORDS = {
    "champion.json": "the alias 'champion' in MLflow decides until the next promotion",
    "secrets/airflow_login.json": "'purse up' makes a new login of Airflow",
    "secrets/mlflow_login.json": "'purse up' makes a new login of MLflow if mlflow/auth.db is moved away too",
}
"""JSON files of a home, and what happens without each."""


def damaged(settings: Settings) -> Iterator[Damaged]:
    """Yield the damaged databases and JSON files."""
    checks = ((DATABASES, damage), (RECORDS, _no_json))
    for files, check in checks:
        for name, lost in files.items():
            file = settings.home_path / name
            if file.is_file() and (problem := check(file)):
                yield Damaged(file, problem, f"mv '{file}' '{file}.damaged'", lost)


def _no_json(file: Path) -> str | None:
    try:
        return None if isinstance(json.loads(file.read_bytes()), dict) else "it holds no JSON object"
    except ValueError as error:
        return f"it is no JSON: {error}"
    except OSError as error:
        return str(error)
