"""Releases and an engine small enough to check by eye, for tests of what is around them.

A user's expected spend is that of the batch and the amounts of live order lines; an event adds 0.01. The marketplace's
`champion` file in a home names the version and snapshot that `prepare` gives.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from pipelines.errors import NothingToDo
from pipelines.settings import Settings, load_settings
from serving.app import create_app
from serving.engine import process
from serving.engine.engines import Engines
from serving.release.release import HISTORY, Release
from serving.server import create_server

USERS = {"ann": 300.0, "bob": 100.0, "cat": 20.0, "dan": 0.0}


@dataclass(frozen=True)
class StandInCanary:
    users: int = 4
    difference: float = 0.0
    milliseconds: float = 1.0

    def reason(self, budget: float) -> str | None:
        if self.difference > 1e-6:
            return f"it differs by {self.difference} from evaluation"
        return f"it takes {self.milliseconds} ms" if self.milliseconds > budget else None

    def warning(self) -> str | None:
        return None


def champion(settings: Settings, version: str, day: date, **about: float | list[str]) -> None:
    """Let `prepare` give this release; it reads the tables `reads` and knows the `products`.

    `difference` and `milliseconds` are its canary's, `seconds` it takes to open.
    """
    settings.home_path.mkdir(parents=True, exist_ok=True)
    (settings.home_path / "champion").write_text(json.dumps({"version": version, "day": day.isoformat(), **about}))


def prepare(settings: Settings, root: Path) -> Path:
    file = settings.home_path / "champion"
    if not file.exists():
        raise NothingToDo("There is no champion yet. Run retrain_daily.")
    about = json.loads(file.read_text())
    folder = root / f"{about['version']}-{about['day']}"
    folder.mkdir(parents=True)
    facts = {
        "model_version": about["version"],
        "snapshot_date": about["day"],
        "horizon_days": 28,
        "created_at": f"{about['day']}T02:00:{len(about['version']):02d}+00:00",
        "columns": [],
        "backend": "tensorflow",
        "reads": about.get("reads"),
    }
    if products := about.get("products"):
        with duckdb.connect(str(folder / HISTORY)) as history:
            history.execute("CREATE TABLE products AS SELECT unnest($ids) AS product_id", {"ids": products})
    (folder / "release.json").write_text(json.dumps(facts))
    (folder / "about.json").write_text(json.dumps(about))
    answers(USERS, float(about["version"])).to_parquet(folder / "scores.parquet")
    return folder


def prepare_for_long(_: Settings, __: Path) -> None:
    """Says in which process."""
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(600)


def answers(spend: Mapping[str, float], factor: float, basis: str = "orders") -> pd.DataFrame:
    frame = pd.DataFrame({"user_id": list(spend), "expected_spend": [factor * value for value in spend.values()]})
    return frame.assign(
        spend_low=0.0,
        spend_high=2 * frame["expected_spend"],
        purchase_probability=0.5,
        score=50.0,
        tier=["high" if value >= 300 else "mid" if value >= 100 else "low" for value in spend.values()],
        reasons="spent much; bought lately",
        basis=basis,
    )


class StandInEngine:
    def __init__(self, folder: Path, home: Path) -> None:  # noqa: ARG002 - as EngineProcess.open
        self.folder, self.release = folder, Release.read(folder)
        self._about = json.loads((folder / "about.json").read_text())
        time.sleep(self._about.get("seconds", 0))
        self.closed, self.closed_days = False, []

    def score(self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]) -> Future:
        return self._done(self._score, rows, snapshot_date, user_ids)

    def close_days(self, order_lines: pa.Table) -> Future:
        return self._done(lambda: self.closed_days.extend(order_lines["order_id"].to_pylist()))

    def canary(self) -> Future:
        about = {name: self._about[name] for name in ("difference", "milliseconds") if name in self._about}
        return self._done(lambda: StandInCanary(**about))

    def close(self) -> None:
        self.closed = True

    def _score(self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]) -> pd.DataFrame:
        spend: dict[str, float] = {}
        if "poison" in user_ids:
            raise ValueError("poison cannot be scored")
        for name, table in rows.items():
            for row in table.to_pylist():
                moment = next(row[c] for c in ("ordered_at", "occurred_at", "valid_from") if c in row)
                assert moment.date() < snapshot_date
                assert row["user_id"] not in USERS or moment.date() >= self.release.snapshot_date
                worth = row["amount"] if name == "order_lines" else 0.01 if name == "events" else 0.0
                spend[row["user_id"]] = spend.get(row["user_id"], 0.0) + worth
        known = {user: USERS.get(user, 0.0) + spend.get(user, 0.0) for user in user_ids if user in {*USERS, *spend}}
        return answers(known, float(self.release.model_version))

    def failing(self, error: Exception) -> Future:
        future: Future = Future()
        future.set_exception(error)
        return future

    def _done(self, function, *arguments) -> Future:
        future: Future = Future()
        try:
            assert not self.closed
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


ENGINES = Engines(prepare, StandInEngine)


class DyingEngine(StandInEngine):
    """Ends its process when asked to score the user "killer"."""

    def score(self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]) -> pd.DataFrame:
        if "killer" in user_ids:
            with (self.folder.parents[1] / "deaths").open("a") as file:
                file.write(f"{len(user_ids)}\n")
            os._exit(9)
        return self._score(rows, snapshot_date, user_ids)

    def close_days(self, order_lines: pa.Table) -> None:
        self.closed_days.extend(order_lines["order_id"].to_pylist())

    def canary(self) -> StandInCanary:
        return StandInCanary()


def _open_dying(folder: Path, home: Path) -> Release:
    process._engine = DyingEngine(folder, home)
    return process._engine.release


class DyingProcess(process.EngineProcess):
    """A real process with a `DyingEngine`."""

    @classmethod
    def open(cls, folder: Path, home: Path) -> "DyingProcess":
        opened = cls()
        opened.release = opened._submit(_open_dying, folder, home).result()
        return opened


DYING_ENGINES = Engines(prepare, DyingProcess.open)


def main(port: int) -> None:
    """The service in a process of its own, to be killed."""
    settings = load_settings().with_changes(serving__port=port)
    create_server(create_app(settings, ENGINES), settings).run()
