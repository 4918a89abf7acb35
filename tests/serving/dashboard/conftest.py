"""A small shop that has been scored twice and has a champion and a challenger: made by hand, in seconds."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.lake import tables
from pipelines.results.result import write_result
from pipelines.settings import Settings, load_settings
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.registry import CHALLENGER, CHAMPION
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import version_tags
from serving.dashboard import router
from tests import samples

BEFORE, SNAPSHOT = date(2020, 3, 22), date(2020, 3, 29)
NOW = datetime(2020, 3, 30, 6, tzinfo=UTC)
A_DAY = timedelta(days=1)
USERS = 40
METRICS = {
    "test_ngini": 0.61, "test_ngini_low": 0.55, "test_ngini_high": 0.67, "test_bias": -0.05, "test_decile_wape": 0.1,
    "test_auc": 0.81, "test_interval_coverage": 0.79, "test_top10_capture": 0.4, "test_top10_capture_perfect": 0.6,
    "baseline_linear_rfm_ngini": 0.52,
}  # fmt: skip


def tier(score: float) -> str:
    return "high" if score >= 80 else "mid" if score >= 50 else "low"


def predictions(snapshot: date, users: int, shift: float) -> pd.DataFrame:
    """User n has the score 2.5 n + shift, wrapped at 100, and is expected to spend ten times as much."""
    names = [f"user-{number:02d}" for number in range(users - 1)] + ["=1+2<script>alert(1)</script>"]
    scores = [(2.5 * number + shift) % 100 for number in range(users)]
    return pd.DataFrame(
        {
            "user_id": names,
            "expected_spend": [10 * score for score in scores],
            "purchase_probability": [score / 100 for score in scores],
            "spend_low": 0.0,
            "spend_high": [20 * score for score in scores],
            "score": scores,
            "tier": [tier(score) for score in scores],
            "reasons": "spent 10 in the last 28 days; <b>comes back</b> every 3 days",
            "basis": "orders",
            "horizon_days": 28,
            "model_version": "1",
            "scored_at": datetime(2020, 3, 30, 4),  # noqa: DTZ001 - the lake keeps UTC without zone
            "snapshot_date": snapshot,
        }
    )


def replace(settings: Settings, table: str, rows: pd.DataFrame, column: str, day: date) -> None:
    stored = pa.Table.from_pandas(rows.assign(**{column: day}), preserve_index=False)
    tables.replace(settings, table, stored, column, day, day + A_DAY)


def write_lake(settings: Settings) -> None:
    """Two snapshots; users of two regions, of whom one moved from south to north; 3 refused rows."""
    for snapshot, users, shift in ((BEFORE, USERS - 5, 0.0), (SNAPSHOT, USERS, 10.0)):
        scores = predictions(snapshot, users, shift)
        replace(settings, "predictions", scores, "snapshot_date", snapshot)
        features = scores[["user_id"]].assign(
            spend_28d=scores["expected_spend"],
            purchase_days_28d=2.0,
            return_rate_28d=scores["score"] % 7,
            days_since_last_order=scores["score"].astype(int) % 30,
        )
        replace(settings, "features", features, "snapshot_date", snapshot)
    names = predictions(SNAPSHOT, USERS, 0)["user_id"]
    first = pd.DataFrame({"user_id": names, "valid_from": pd.Timestamp(2020, 1, 1)})
    first["region"] = ["north" if number % 4 == 0 else "south" for number in range(USERS)]
    first["age_band"] = ["20-29", "30-39"] * (USERS // 2)
    replace(settings, "raw/users", first, "day", date(2020, 1, 1))
    moved = first.iloc[[1]].assign(valid_from=pd.Timestamp(2020, 2, 1), region="north")
    replace(settings, "raw/users", moved, "day", date(2020, 2, 1))
    lines = pd.DataFrame({"order_id": [f"o{n}" for n in range(9)], "amount": 1.0})
    replace(settings, "raw/order_lines", lines, "day", SNAPSHOT - A_DAY)
    refused = pd.DataFrame(
        {"order_id": ["x", "y", "z"], "reason": ["amount_finite", "amount_finite, unique", "unique"]}
    )
    replace(settings, "quarantine/order_lines", refused, "day", SNAPSHOT - A_DAY)
    write_result(settings, SNAPSHOT, samples.scored(snapshot_date=SNAPSHOT))


def write_monitoring(settings: Settings, snapshot: date, drifted: bool, *, realised: bool = False) -> None:
    rows = [("features.spend_28d", "psi", 0.9 if drifted else 0.1, 0.5), ("days.lines", "distance", 0.2, 0.4)]
    rows += [("realised", "ngini_loss", 0.2, 0.1), ("realised", "bias", 0.1, 0.3)] if realised else []
    rows += [("alarm", "days", 2.0 if drifted else 0.0, 2.0)]
    frame = pd.DataFrame(rows, columns=["name", "kind", "value", "threshold"]).assign(model_version="1")
    frame["violated"] = (frame["value"] > frame["threshold"]) | ((frame["name"] == "alarm") & drifted)
    replace(settings, "monitoring", frame, "snapshot_date", snapshot)


def write_registry(settings: Settings) -> None:
    """Version 1 is champion with everything that `evaluate` leaves; version 2 was not better."""
    client = connect(settings)
    name, experiment = settings.mlflow.model_name, experiment_id(client, settings)
    client.create_registered_model(name)
    for number, (outcome, decision) in enumerate(
        [
            ("first_champion", "Promoted as the first champion: nGini 0.6100."),
            ("no_gain", "Not promoted: gain -0.0100."),
        ]
    ):
        run = client.create_run(experiment).info.run_id
        tags = {"family": "bagging + cnn_lstm", "outcome": outcome, "ngini": "0.61"}
        if number == 0:
            for metric, value in METRICS.items():
                client.log_metric(run, metric, value)
            for file, table in artifacts().items():
                client.log_text(run, json.dumps(table), f"{file}.json")
            client.log_text(run, "# Model card\n\n| a | b |\n|---|---:|\n| <i>1</i> | 2 |\n", "model_card.md")
        client.create_model_version(name, f"runs:/{run}/model", run, tags=tags)
        client.update_model_version(name, str(number + 1), decision)
        for tag, value in version_tags(settings, name, str(number + 1), "0").items():
            client.set_model_version_tag(name, str(number + 1), tag, value)
    client.set_registered_model_alias(name, CHAMPION, "1")
    client.set_registered_model_alias(name, CHALLENGER, "2")


def artifacts() -> dict[str, object]:
    difference = {"group": "region=north", "users": 20, "measure": "ngini", "value": 0.4, "rest": 0.6}
    judged = {**difference, "difference": -0.2, "standard_error": 0.05, "p_value": 0.001, "flagged": True}
    return {
        "deciles": [
            {"decile": n + 1, "users": 4, "mean_expected": 10.0 * n, "mean_spend": 9.0 * n, "inside": 0.8}
            for n in range(10)
        ],
        "importances": [
            {"feature": "return_rate_28d", "effect": 5.0, "direction": -0.9},
            {"feature": "spend_28d", "effect": 4.0, "direction": 0.9},
            {"feature": "purchase_days_28d", "effect": 3.0, "direction": None},
        ],
        "fairness": [judged, {**judged, "measure": "auc", "flagged": False}],
        "slices": {"region=north": {"users": 20, "ngini": 0.4, "bias": 0.1, "high_share": 0.2, "gain": None}},
    }


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Read only: the shop with everything."""
    settings = load_settings().with_changes(home=str(tmp_path_factory.mktemp("scored")))
    write_lake(settings)
    for day, drifted in ((BEFORE, False), (SNAPSHOT, True)):
        write_monitoring(settings, day, drifted)
    write_registry(settings)
    return settings


def app_of(settings: Settings, **options: object) -> FastAPI:
    app = FastAPI()
    app.include_router(router(settings, now=lambda: NOW, **options))
    return app


@pytest.fixture(scope="session")
def make_client():
    """A client of the dashboard over a shop."""
    return lambda settings, **options: TestClient(app_of(settings, **options))


@pytest.fixture(scope="session")
def make_app():
    return app_of


@pytest.fixture(scope="session")
def client(scored: Settings, make_client) -> Iterator[TestClient]:
    with make_client(scored) as client:
        yield client


@pytest.fixture
def monitored():
    """Writes the checks of a snapshot: `monitored(settings, day, drifted, realised=True)`."""
    return write_monitoring


@pytest.fixture
def score_once(tmp_path: Path) -> Settings:
    """A shop with one snapshot, without attributes, monitoring, results or MLflow."""
    settings = load_settings().with_changes(home=str(tmp_path / "once"))
    replace(settings, "predictions", predictions(SNAPSHOT, USERS, 0.0), "snapshot_date", SNAPSHOT)
    return settings


@pytest.fixture(scope="session")
def scores():
    """The rows of a snapshot as they were written: `scores("now")` or `scores("before")`."""
    return {
        "now": predictions(SNAPSHOT, USERS, 10.0),
        "before": predictions(BEFORE, USERS - 5, 0.0),
    }
