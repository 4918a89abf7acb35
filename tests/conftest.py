"""What all tests share: settings whose home is a temporary folder, and Ibis tables made by hand."""

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

pytest_plugins = ["tests.shops", "tests.security.finished"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
# PySpark, which Great Expectations imports where it is installed, takes a main module without file and name for a run
# of its own doctests and ends the process; the workers that tests are run in have such a one.
if sys.modules["__main__"].__spec__ is None and not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__spec__ = ModuleSpec("__main__", loader=None)


PROFILE = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
hypothesis.register_profile("fast", max_examples=8, derandomize=True, **PROFILE)
hypothesis.register_profile("long", max_examples=500, **PROFILE)
hypothesis.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked `long` to `make test-long`."""
    if "long" in (config.option.markexpr or ""):
        return
    chosen = [item for item in items if item.get_closest_marker("long") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


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
