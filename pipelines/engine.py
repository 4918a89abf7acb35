"""What computes features and scores: DuckDB in the step's process or, by `engine: spark`, Spark. Both behind Ibis."""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from pipelines import lake
from pipelines.errors import PurseError
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame as SparkFrame

Ask = Callable[["pd.DataFrame"], "pd.DataFrame"]
"""A method of a model that takes users and answers with as many rows."""


def connect(settings: Settings) -> SQLBackend:
    """The engine that the settings name, as an Ibis backend that `pipelines.lake` reads with.

    Raises:
        PurseError: Spark or its Java is not installed, or Spark does not start.
    """
    if settings.engine == "duckdb":
        return lake.connect()
    _require_spark()
    from pipelines import spark

    return spark.connect(settings)


def users(connection: SQLBackend, rows: ir.Table) -> "pd.DataFrame | SparkFrame":
    """Rows of users for `answers`: a pandas frame in this process, or a frame of Spark that is not computed yet."""
    return rows.to_pyarrow().to_pandas() if connection.name == "duckdb" else connection.frame(rows)


def answers(rows: "pd.DataFrame | SparkFrame", ask: Ask, columns: str) -> "pd.DataFrame":
    """What a model answers for users, computed where they are: user_id first, ordered by user_id.

    Args:
        rows: from `users`, with `user_id` and what the model reads.
        ask: the question.
        columns: of the answer, as Spark declares them.
    """
    import pandas as pd

    if isinstance(rows, pd.DataFrame):
        rows = rows.sort_values("user_id", ignore_index=True)
        found = ask(rows.drop(columns="user_id"))
        found.insert(0, "user_id", rows["user_id"])
        return found
    from pipelines.spark_score import answers as by_workers

    return by_workers(rows, ask, columns).sort_values("user_id", ignore_index=True)


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
