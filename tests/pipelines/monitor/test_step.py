"""monitor on a real champion in a real registry, over a lake in which something moves or nothing does."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.errors import NothingToDo, PurseError
from pipelines.lake import tables
from pipelines.monitor import step as monitor
from pipelines.retraining.reference.learned import FILE, read_reference, rows_of
from pipelines.score import predict
from pipelines.tracking.logged_model import load_version
from pipelines.tracking.runs import connect
from tests.shops import copy_shop, retrain

A_DAY = timedelta(days=1)


@pytest.fixture
def write_snapshot(users_at):
    """Writes features and scores of a day; `change` is given the users before they are scored."""

    def write(shop, day, change=lambda users: users):
        users = change(users_at(day).drop(columns=["future_spend", "purchased"]))
        replace(shop, "features", users, day)
        model = load_version(shop, "1")
        replace(shop, "predictions", predict(model, users).assign(horizon_days=28, model_version="1"), day)

    return write


def replace(shop, table, rows, day):
    stored = pa.Table.from_pandas(rows.assign(snapshot_date=day), preserve_index=False)
    tables.replace(shop, table, stored, "snapshot_date", day, day + A_DAY)


def dearer(users):
    return users.assign(spend_28d=users["spend_28d"] * 8, region=None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_shop):
    """A shop with a champion: training one takes seconds, so each test has a copy."""
    shop = make_shop(tmp_path_factory.mktemp("trained") / "shop")
    assert retrain(shop).promoted
    return shop


@pytest.fixture
def champion(tmp_path, trained):
    return copy_shop(trained, tmp_path / "champion")


def test_before_there_is_a_champion_there_is_nothing_to_do(shop, snapshot_date):
    with pytest.raises(NothingToDo, match="no champion yet"):
        monitor.monitor(shop, snapshot_date)


def test_quiet_days_are_no_alarm_and_drift_that_lasts_is_one_that_is_not_repeated(
    champion, snapshot_date, write_snapshot
):
    reference = read_reference(champion, "1")
    assert {"features.spend_28d", "predictions.score", "predictions.tier", "days.spend"} <= reference.columns.keys()
    days = [snapshot_date + A_DAY * number for number in range(5)]
    for day in days:
        write_snapshot(champion, day, dearer if day >= days[2] else lambda users: users)
    results = [monitor.monitor(champion, day) for day in days]
    assert [result.alarm for result in results] == [False, False, False, True, False]
    assert results[0].violated == []
    assert {"features.spend_28d psi", "features.spend_28d distance", "features.region missing"} <= set(
        results[3].violated
    )
    assert results[3].reason.startswith("Drift on at least 2 of 3 days up to 2020-04-01: features.")
    assert "A retraining was asked for on 2020-04-01" in results[4].reason

    rows = tables.read(tables.connect(), champion, "monitoring").to_pandas()
    assert set(rows.columns) == {"snapshot_date", "name", "kind", "value", "threshold", "violated", "model_version"}
    assert rows.groupby("snapshot_date").size().tolist() == [result.checks + 1 for result in results]
    assert rows[rows["name"] == "alarm"].sort_values("snapshot_date")["violated"].tolist() == [
        result.alarm for result in results
    ]
    again = monitor.monitor(champion, days[3])
    assert again == results[3]

    client = connect(champion)
    run = client.get_run(results[3].run_id)
    assert run.data.tags["purse.kind"] == "monitor"
    assert run.data.metrics["psi.features.spend_28d"] > 0.25
    assert run.data.metrics["alarm"] == 1
    page = Path(results[3].data_docs).read_text()
    assert "Retraining asked for." in page
    assert page.count("data:image/png;base64") == 3
    assert "http" not in page.replace("http-equiv", "")
    assert "color-scheme: light dark" in page


def test_a_champion_without_a_reference_is_red(champion, snapshot_date, write_snapshot, monkeypatch):
    write_snapshot(champion, snapshot_date)
    monkeypatch.setattr("pipelines.retraining.reference.learned.FILE", f"not-{FILE}")
    with pytest.raises(PurseError, match=r"version 1 has no reference .*\(reference_lost\).*purse promote"):
        monitor.monitor(champion, snapshot_date)


def test_what_is_not_there_is_said(champion, snapshot_date, write_snapshot):
    with pytest.raises(PurseError, match="no features of 2020-03-29 to compare"):
        monitor.monitor(champion, snapshot_date)
    day = snapshot_date + 30 * A_DAY  # beyond the last day of the lake
    write_snapshot(champion, day, lambda users: users.head(1))
    replace(champion, "predictions", pd.DataFrame({"model_version": ["0"]}), day)
    with pytest.raises(PurseError, match=r"\(nothing_measured\)") as nothing:
        monitor.monitor(champion, day)
    for part in (
        "There are no scores of 2020-04-28 by champion version 1",
        "No earlier scores have matured yet",
        "Too few rows, or none, to compare",
        "'purse monitor --snapshot-date 2020-04-28'",
    ):
        assert part in str(nothing.value)


def test_matured_scores_are_held_against_the_promise(champion, snapshot_date, write_snapshot):
    scored = date(2020, 3, 1)
    write_snapshot(champion, scored)
    write_snapshot(champion, snapshot_date)
    result = monitor.monitor(champion, snapshot_date)
    rows = tables.read(tables.connect(), champion, "monitoring").to_pandas()
    kinds = set(rows.loc[rows["name"] == "realised", "kind"])
    assert kinds == {"ngini_loss", "bias", "decile_wape"}
    assert "scores of 2020-03-01 by version 1 turned out" in Path(result.data_docs).read_text()

    said = rows_of(champion, "predictions", scored)
    wrong = np.random.default_rng(0).permutation(said["expected_spend"].to_numpy().copy()) * 3
    replace(champion, "predictions", said.assign(expected_spend=wrong), scored)
    violated = monitor.monitor(champion, snapshot_date).violated
    assert {"realised ngini_loss", "realised bias", "realised decile_wape"} <= set(violated)
