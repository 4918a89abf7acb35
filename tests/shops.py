"""A small shop whose retraining runs in seconds: real lake, real SQLite databases of MLflow and Optuna."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from pipelines.lake import tables
from pipelines.results.data import Built
from pipelines.results.decision import Decided
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Fold, LoggedModel, Split
from pipelines.settings import REPOSITORY, Settings, load_settings
from pipelines.tracking.champion import set_champion
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import version_tags

SNAPSHOT_DATE = date(2020, 3, 29)
TEST = date(2020, 3, 1)
SNAPSHOTS = [date(2020, 1, 5) + timedelta(days=7 * week) for week in range(5)]
FAMILIES = ["linear_rfm", "ridge_rfm", "lightgbm_tweedie"]
USERS = 240


def synthetic_users(snapshot: date, users: int = USERS) -> pd.DataFrame:
    """Users whose spend in the next 28 days follows their own rate with noise: there is something to learn."""
    random = np.random.default_rng(snapshot.toordinal())
    rate = np.random.default_rng(0).gamma(0.7, 4.0, users)  # money a day: the same users at every snapshot
    history = random.integers(20, 90, users).astype(float)
    orders = random.poisson(rate * history / 30) + 1.0
    purchased = random.random(users) < 1 - np.exp(-rate * 28 / 60)
    return pd.DataFrame(
        {
            "snapshot_date": snapshot,
            "user_id": [f"user-{number:03d}" for number in range(users)],
            "frequency": orders - 1,
            "recency": np.where(orders > 1, history * 0.8, 0.0),
            "T": history,
            "days_since_last_order": random.integers(1, 20, users).astype(float),
            "purchase_days_total": orders,
            "spend_total": rate * history * random.lognormal(0, 0.3, users),
            "spend_28d": rate * 28 * random.lognormal(0, 0.5, users),
            "purchase_days_28d": np.minimum(orders, random.poisson(rate * 28 / 30)).astype(float),
            "region": np.where(np.arange(users) % 2 == 0, "north", "south"),
            "future_spend": np.where(purchased, rate * 28 * random.lognormal(0, 0.4, users), 0.0),
            "purchased": purchased,
        }
    )


def write_training_set(settings: Settings, training_id: str = "2020-03-29-00000001") -> None:
    """What build_features and split leave behind for SNAPSHOT_DATE."""
    frame = pd.concat([synthetic_users(snapshot) for snapshot in (*SNAPSHOTS, TEST)], ignore_index=True)
    rows = pa.Table.from_pandas(frame.assign(training_date=SNAPSHOT_DATE), preserve_index=False)
    end = SNAPSHOT_DATE + timedelta(days=1)
    tables.replace(settings, "training_sets", rows, "training_date", SNAPSHOT_DATE, end)
    features = [name for name in frame if name not in ("snapshot_date", "user_id", "future_spend", "purchased")]
    built = Built(
        snapshot_date=SNAPSHOT_DATE,
        snapshots=[*SNAPSHOTS, TEST],
        days_computed={},
        rows=len(frame),
        rows_without_orders=0,
        features=features,
        left_out=["return_rate_28d"],
    )
    folds = ((SNAPSHOTS[4], SNAPSHOTS[:2]), (SNAPSHOTS[3], SNAPSHOTS[:1]))
    split = Split(
        snapshot_date=SNAPSHOT_DATE,
        training_id=training_id,
        features=features,
        horizon_days=28,
        label_days=28,
        folds=tuple(Fold(validation=validation, training=tuple(training)) for validation, training in folds),
        final=tuple(reversed(SNAPSHOTS)),
        test=TEST,
        rows=dict.fromkeys([*SNAPSHOTS, TEST], USERS),
        rows_without_orders=0,
    )
    for result in (built, split):
        write_result(settings, SNAPSHOT_DATE, result)


def retrain(settings: Settings, training_id: str | None = None) -> Decided:
    """Run train, evaluate, register and promote as the command line does; a new training id is a new training."""
    from pipelines.evaluate.step import evaluate
    from pipelines.promote import promote
    from pipelines.register import register
    from pipelines.train.step import train

    if training_id:
        split = read_result(settings, SNAPSHOT_DATE, Split).model_copy(update={"training_id": training_id})
        write_result(settings, SNAPSHOT_DATE, split)
    for step in (train, evaluate, register):
        write_result(settings, SNAPSHOT_DATE, step(settings, SNAPSHOT_DATE))
    return promote(settings, SNAPSHOT_DATE)


def write_days(settings: Settings) -> None:
    """The daily tables from 2019-12-01 on: a user comes every fifth day and spends five days' worth of their rate."""
    rate, first = np.random.default_rng(0).gamma(0.7, 4.0, USERS), date(2019, 12, 1)
    rows = [
        {
            "user_id": f"user-{user:03d}",
            "day": first + timedelta(days=day),
            "spend": 5 * rate[user],
            "units_bought": 1.0,
        }
        for day in range((SNAPSHOT_DATE - first).days)
        for user in range(day % 5, USERS, 5)
    ]
    for table in ("user_day", "raw/order_lines"):
        tables.replace(settings, table, pa.Table.from_pylist(rows), "day", first, SNAPSHOT_DATE)


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised MLflow database, made once: making one takes seconds."""
    home = tmp_path_factory.mktemp("mlflow")
    connect(load_settings().with_changes(home=home, mlflow__experiment="other"))
    return home / "mlflow.db"


@pytest.fixture(scope="session")
def make_shop(empty_mlflow: Path) -> Callable[[Path], Settings]:
    """Makes the settings of a shop in a folder, with a training set and no runs yet."""

    def made(home: Path) -> Settings:
        home.mkdir(exist_ok=True)
        shutil.copy(empty_mlflow, home / "mlflow.db")
        settings = load_settings().with_changes(
            home=home,
            sweep__families=FAMILIES,
            sweep__trials=6,
            sweep__seconds=60,
            training__finalists=2,
            promotion__bootstrap_samples=50,
            promotion__min_slice_users=50,
            serving__port=1,  # where nothing listens
        )
        write_training_set(settings)
        write_days(settings)
        return settings

    return made


@pytest.fixture
def shop(tmp_path: Path, make_shop: Callable[[Path], Settings]) -> Settings:
    """The settings of a shop."""
    return make_shop(tmp_path / "shop")


@pytest.fixture
def undisturbed(tmp_path: Path, make_shop: Callable[[Path], Settings]) -> Settings:
    """The settings of a second shop with the same data, in which nothing is killed."""
    return make_shop(tmp_path / "undisturbed")


@pytest.fixture
def users_at() -> Callable[[date], pd.DataFrame]:
    """The users of the shop at a snapshot."""
    return synthetic_users


@pytest.fixture(scope="session")
def snapshot_date() -> date:
    """The date of the retraining whose training set the shop has."""
    return SNAPSHOT_DATE


KILLED_STEP = """
import pkgutil, sys, time
from datetime import date
from pipelines.settings import load_settings
owner = pkgutil.resolve_name("{owner}")
original, calls = owner.{function}, 0
def stopping(*arguments, **named):
    global calls
    calls += 1
    result = original(*arguments, **named)
    if calls == {call}:
        print("stopped", flush=True)
        time.sleep(600)
    return result
owner.{function} = stopping
pkgutil.resolve_name("{step}")(load_settings(), date.fromisoformat("{day}"), *{arguments})
"""


STEP = """
import sys, time
from datetime import date
from pipelines import {module}, sweep, train
from pipelines.settings import load_settings
original, calls = {module}.{function}, 0
def stopping(*arguments, **named):
    global calls
    calls += 1
    result = original(*arguments, **named)
    if calls == {call}:
        print("stopped", flush=True)
        time.sleep(600)
    return result
{module}.{function} = stopping
{step}(load_settings(), date.fromisoformat("{day}"), *{arguments})
"""


STEP = """
import pkgutil
from datetime import date
from pipelines.settings import load_settings
pkgutil.resolve_name("{step}")(load_settings(), date.fromisoformat("{day}"), *{arguments})
"""


@pytest.fixture
def start_step(tmp_path: Path) -> Callable[..., subprocess.Popen]:
    """Starts a step in a process of its own."""

    def start(settings: Settings, step: str, arguments: list[str]) -> subprocess.Popen:
        config = tmp_path / "purse.yaml"
        config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
        code = STEP.format(step=step, day=SNAPSHOT_DATE, arguments=arguments)
        environment = {**os.environ, "PURSE_CONFIG": str(config)}
        return subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=environment)

    return start


@pytest.fixture
def kill_step(tmp_path: Path) -> Callable[..., None]:
    """Run a step in a process of its own and kill it (SIGKILL) at the end of the n-th call of a function.

    The function is named "module:name", by the module that looks it up when it calls.
    """

    def kill(settings: Settings, step: str, arguments: list[str], function: str, call: int) -> None:
        config = tmp_path / "purse.yaml"
        config.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
        owner, name = function.split(":")
        code = KILLED_STEP.format(
            owner=owner, function=name, call=call, step=step, day=SNAPSHOT_DATE, arguments=arguments
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PURSE_CONFIG": str(config)},
        )
        assert process.stdout is not None
        with process:
            assert process.stdout.readline() == "stopped\n"
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL

    return kill


def register_champion(settings: Settings, logged: LoggedModel) -> str:
    """Register a logged model as `register` and `promote` do; return the version."""
    import mlflow

    client, name = connect(settings), settings.mlflow.model_name
    version = str(mlflow.register_model(logged.uri, name).version)
    for tag, value in version_tags(settings, name, version, logged.digest).items():
        client.set_model_version_tag(name, version, tag, value)
    set_champion(settings, client, version)
    return version


PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""Columns of MLflow's tables that hold absolute paths."""


def copy_shop(shop: Settings, home: Path) -> Settings:
    """Copy a shop with its runs and models into another folder: training one takes seconds."""
    shutil.copytree(shop.home_path, home)
    with sqlite3.connect(home / "mlflow.db") as database:
        for table, column in PLACES.items():
            change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 - fixed words
            database.execute(change, (str(shop.home_path), str(home)))
    return shop.with_changes(home=home)
