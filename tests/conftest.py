"""What all tests share: settings whose home is a temporary folder, and Ibis tables made by hand."""

import os
from pathlib import Path

import ibis
import pandas as pd
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch):
    """No setting of the caller's shell reaches a test."""
    for name in [name for name in os.environ if name.startswith("PURSE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path):
    from pipelines.settings import load_settings

    return load_settings().with_changes(home=str(tmp_path / "home"))


@pytest.fixture
def connection():
    return ibis.duckdb.connect()


@pytest.fixture
def table(connection):
    """Make an Ibis table of columns given as lists."""

    def make(**columns: list):
        return connection.create_table(ibis.util.gen_name("t"), ibis.memtable(pd.DataFrame(columns)), temp=True)

    return make
