"""Engine of features and scores behind Ibis: DuckDB in the step's process, or Spark by `engine: spark`."""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

PART = 50_000
"""Users per prediction batch: a few hundred MB with sequences, and enough to keep a model busy."""

Ask = Callable[["pd.DataFrame"], "pd.DataFrame"]
"""Method of a model that returns one row per user."""


def connect(settings: Settings) -> SQLBackend:
    """Open the engine that the settings name, as an Ibis backend for `pipelines.lake`.

    Raises:
        PurseError: Spark or its Java is not installed, or Spark does not start.
    """
    if settings.engine == "duckdb":
        return tables.connect()
    _require_spark()
    from pipelines.compute import spark

    return spark.connect(settings)


def answers(connection: SQLBackend, rows: ir.Table, ask: Ask, columns: str) -> "pd.DataFrame":
    """Predictions of a model, computed where the users' rows are; user_id first, ordered by user_id.

    Only the predictions are in memory for all users at once; the inputs are read part by part.

    Args:
        connection: from `connect`.
        rows: at least one row with `user_id` and the model's inputs.
        ask: method of the model.
        columns: columns of its result, as Spark declares them.
    """
    import pandas as pd

    if connection.name == "duckdb":
        parts = tables.stream(connection, rows, PART)
        found = pd.concat([_answer(ask, part.to_pandas()) for part in parts if part.num_rows])
    else:
        from pipelines.compute.spark_workers import answers as by_workers

        found = by_workers(connection.frame(rows), ask, columns)
    return found.sort_values("user_id", ignore_index=True)


def _answer(ask: Ask, users: "pd.DataFrame") -> "pd.DataFrame":
    found = ask(users.drop(columns="user_id"))
    found.insert(0, "user_id", users["user_id"])
    return found


def _require_spark() -> None:
    if find_spec("pyspark") is None:
        raise PurseError(
            "The setting engine is 'spark', but the package pyspark is not installed. In Purse's folder run "
            "uv pip install --python .venv/bin/python -e '.[spark]', or set engine to duckdb."
        )
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        where = f"in JAVA_HOME={home}" if home else "on the PATH, and JAVA_HOME is not set"
        raise PurseError(
            f"The setting engine is 'spark', which needs Java 17, and there is no java {where}. Install it (on Debian "
            "and Ubuntu: apt-get install openjdk-17-jre-headless), or set engine to duckdb."
        )
