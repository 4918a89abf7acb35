"""From a scored lake to a release and back: what the engine says of live days is what the batch says a day later."""

import shutil
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from features.definitions import FEATURES
from models import catalog, storage
from models.canary import CANARY_FILE, canary_set
from models.cold_start.model import ColdStart
from models.cold_start.segment_mean import SegmentMean
from models.protocol import LabelledUsers
from models.purchasing_power import Member
from models.purchasing_power import build as blend
from models.score import calibration
from pipelines.build_features.step import build_features
from pipelines.errors import NothingToDo, PurseError
from pipelines.lake import tables
from pipelines.score import predict, score
from pipelines.settings import load_settings
from pipelines.tracking.logged_model import log_model
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import seal_folder
from serving.engine.engine import Engine
from serving.release.canary import Canary, compare
from serving.release.release import MODEL, Release, prepare, remove_others
from tests.serving.releases import INTERVALS, SNAPSHOT, canonical, day, event, line, random_shop
from tests.shops import register_champion

FAMILIES = {"ridge_rfm": {}, "lightgbm_hurdle": {}, "cnn": {"epochs": 1, "members": 1}}
SCORED_AT = datetime.fromisoformat("2024-03-01T02:00:00+00:00")
PHRASES = {feature.name: feature.phrase for feature in FEATURES}


def load(settings, rows, start: date, end: date) -> None:
    for name, table in rows.items():
        tables.replace(settings, f"raw/{name}", table, "day", start, end)


def read(settings, name: str, snapshot: date) -> pd.DataFrame:
    table = tables.read(tables.connect(), settings, name)
    rows = table.filter(table.snapshot_date == snapshot).drop("snapshot_date").to_pyarrow().to_pandas()
    return rows.sort_values("user_id", ignore_index=True)


def labelled(features: pd.DataFrame) -> LabelledUsers:
    spend = pd.Series(np.random.default_rng(0).gamma(0.5, 30.0, len(features)).round(2))
    return LabelledUsers(features.drop(columns="user_id"), spend, spend > 1)


def register(settings) -> str:
    """A champion of three families, one a network over sequences, with the canary set of its evaluation."""
    buyers, others = read(settings, "features", SNAPSHOT), read(settings, "features_without_orders", SNAPSHOT)
    users, attributes = labelled(buyers), labelled(others)
    fitted = {
        family: catalog.build(family, changes, seed=0, threads=1, horizon_days=28).fit(users)
        for family, changes in FAMILIES.items()
    }
    segments = SegmentMean().fit(attributes)
    model = blend(
        [Member(1 / len(fitted), one, family) for family, one in fitted.items()],
        users.features,
        horizon_days=28,
        calibration=calibration.fit([], []),
        intervals=INTERVALS,
        phrases=PHRASES,
        tier_shares={"high": 0.2, "mid": 0.3},
        top_reasons=3,
        cold_start=ColdStart(segments, None, None, 0.5, 0.5, INTERVALS, "without_orders", None, PHRASES),
    )
    client = connect(settings)
    experiment = client.get_experiment_by_name(settings.mlflow.experiment).experiment_id
    with mlflow.start_run(experiment_id=experiment) as run:
        logged = log_model(model, users.features.head(2), list(FAMILIES), run.info.run_id)
        path = settings.home_path / CANARY_FILE
        said = model.predict_spend(users.features)
        canary_set(users.features, said, model).to_parquet(path)
        mlflow.log_artifact(str(path))
    register_champion(settings, logged)
    return run.info.run_id


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A lake with sixty days and a champion that has scored them."""
    home = tmp_path_factory.mktemp("home")
    settings = load_settings().with_changes(home=str(home), sweep__families=list(FAMILIES))
    load(settings, random_shop(), tables.UNDATED, SNAPSHOT)
    build_features(settings, SNAPSHOT)
    register(settings)
    score(settings, SNAPSHOT, SCORED_AT)
    return settings


@pytest.fixture(scope="module")
def folder(settings):
    return prepare(settings, settings.home_path / "releases")


@pytest.fixture(scope="module")
def engine(settings, folder):
    engine = Engine.open(folder, settings.home_path)
    yield engine
    engine.close()


def test_a_release_says_what_it_is_and_passes_its_canary(folder, engine):
    assert folder.name == f"1-{SNAPSHOT}"
    release = Release.read(folder)
    assert (release.model_version, release.snapshot_date, release.horizon_days) == ("1", SNAPSHOT, 28)
    assert release.created_at == SCORED_AT
    assert {path.name for path in folder.parent.iterdir()} == {folder.name}
    canary = engine.canary()
    assert (canary.users, canary.warning()) == (40, None)
    assert canary.passed(60_000)
    assert "at most 0.001 ms" in canary.reason(0.001)


def test_live_days_are_scored_as_the_batch_scores_them_later(settings, folder, engine, tmp_path):
    at = datetime.combine(day(0), datetime.min.time())
    rows = {
        "order_lines": canonical(
            "order_lines",
            [line(f"u{n}", at + timedelta(hours=n), f"p{n % 6}", 1.0 - 2 * (n == 3), 4.0 + n, n) for n in range(8)]
            + [line("new", at + timedelta(days=1, hours=n), "p1", 1.0, 9.0, n) for n in range(3)],
        ),
        "events": canonical("events", [event(f"u{n}", at, "view", "p2", 10_000 + n) for n in range(30, 50)]),
    }
    everyone = sorted({*read(settings, "features", SNAPSHOT)["user_id"], *[f"u{n}" for n in range(60)], "new"})
    engine.close_days(rows["order_lines"].slice(0, 8))
    found = engine.score(rows, day(2), everyone)
    later = settings.with_changes(home=str(tmp_path / "later"))
    shutil.copytree(settings.home_path / "lake", tmp_path / "later" / "lake")
    load(later, rows, day(0), day(2))
    build_features(later, day(2))
    model = storage.read(folder / MODEL)
    others = read(later, "features_without_orders", day(2))
    cold = model.predict_without_orders(others).assign(user_id=others["user_id"])
    expected = pd.concat([predict(model, read(later, "features", day(2))), cold]).sort_values("user_id")
    assert "new" in set(expected["user_id"])
    assert list(found["user_id"]) == list(expected["user_id"])
    assert compare(found, expected) <= 1e-6
    assert list(found["reasons"]) == list(expected["reasons"])


def test_a_changed_model_is_refused_and_an_old_champion_passes_with_a_warning(settings, folder, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    model = storage.read(changed / MODEL)
    storage.write(replace(model, members=model.members[:1]), changed / MODEL)
    with pytest.raises(PurseError, match="not_registered_here"):
        Engine.open(changed, settings.home_path)
    seal_folder(settings.home_path, changed / MODEL)
    engine = Engine.open(changed, settings.home_path)
    assert "Expected evaluation's predictions for 40 users" in engine.canary().reason(60_000)
    (changed / CANARY_FILE).unlink()
    canary = engine.canary()
    assert canary.passed(60_000)
    assert "without canary sets" in canary.warning()
    engine.close()


def test_the_canary_tells_of_scores_that_the_lake_has_left_behind():
    assert "the lake has changed" in Canary(256, 0.0, 0.1, 5.0).warning()
    assert Canary(256, float("nan"), 0.0, 5.0).reason(100) is not None
    said = pd.DataFrame({name: [1e6] for name in ("expected_spend", "spend_low", "spend_high")})
    said = said.assign(purchase_probability=0.5, score=50.0, tier="mid")
    assert compare(said, said.assign(score=50.0001)) == pytest.approx(2e-6, rel=1e-3)
    assert compare(said, said.assign(expected_spend=1e6 + 0.1)) == pytest.approx(1e-7, rel=1e-3)
    assert compare(said, said.assign(tier="high")) == compare(said, said.head(0)) == float("inf")


def test_a_release_is_replaced_as_a_whole_and_old_ones_are_removed(settings, folder, engine):
    root = folder.parent
    before = engine.score({}, SNAPSHOT, ["u1"])
    (root / ".left").mkdir()
    (folder / "marker").touch()
    assert prepare(settings, root) == folder
    assert not (folder / "marker").exists()
    assert not (root / ".left").exists()
    assert engine.score({}, SNAPSHOT, ["u1"]).equals(before)
    for version in ("2", "3"):
        shutil.copytree(folder, root / f"{version}-{SNAPSHOT}")
    remove_others(root, root / f"2-{SNAPSHOT}", folder)
    assert {path.name for path in root.iterdir()} == {folder.name, f"2-{SNAPSHOT}"}
    remove_others(root, folder)


def test_what_is_missing_is_said(settings, tmp_path):
    elsewhere = settings.with_changes(lake_root=str(tmp_path / "lake"))
    with pytest.raises(PurseError, match="version 1, has not scored a snapshot yet"):
        prepare(elsewhere, tmp_path / "releases")
    assert list(Path(tmp_path / "releases").iterdir()) == []
    nobody = settings.with_changes(mlflow__model_name="other")
    with pytest.raises(NothingToDo, match="no champion yet"):
        prepare(nobody, tmp_path / "releases")
