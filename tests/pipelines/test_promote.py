"""evaluate, register, promote and rollback on real models in a real registry."""

import math
from datetime import UTC, datetime, timedelta

import mlflow
import pandas as pd
import pytest

from models.canary import CANARY_FILE, PREDICTED
from models.promotion import Gain
from pipelines import promote, register, rollback
from pipelines.errors import PurseError
from pipelines.evaluate import step as evaluate
from pipelines.results.decision import Evaluated, Registered
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Trained
from pipelines.retraining.decided import earlier_decision
from pipelines.tracking.logged_model import load_model
from pipelines.tracking.registry import CHALLENGER, CHAMPION, version_of
from pipelines.tracking.runs import connect
from pipelines.train import step as train
from tests.shops import retrain

NOW = datetime(2020, 4, 1, tzinfo=UTC)


def test_the_first_model_becomes_champion_and_the_registry_says_why(shop, snapshot_date):
    result = retrain(shop)
    client = connect(shop)
    version = client.get_model_version_by_alias("purchasing-power", CHAMPION)
    assert (result.outcome, result.promoted, result.version) == ("first_champion", True, "1")
    assert version.description == result.description
    assert version.tags["outcome"] == "first_champion"
    assert float(version.tags["ngini"]) == pytest.approx(result.numbers["ngini"], abs=1e-5)
    assert version_of(client, "purchasing-power", CHALLENGER) is None  # a champion is no challenger
    assert promote.promote(shop, snapshot_date) == result
    assert register.register(shop, snapshot_date).version == "1"
    assert version_of(client, "purchasing-power", CHALLENGER) is None

    training = read_result(shop, snapshot_date, Trained).training_id
    assert earlier_decision(shop, snapshot_date, training) is None  # the decision was not stored
    write_result(shop, snapshot_date, result)
    assert earlier_decision(shop, snapshot_date, training) == result.description
    assert earlier_decision(shop, snapshot_date, f"{training}+") is None
    assert earlier_decision(shop, snapshot_date + timedelta(days=1), training) is None
    other_gate = shop.with_changes(promotion__min_ngini=0.01)
    assert earlier_decision(other_gate, snapshot_date, training) is None
    client.delete_registered_model_alias("purchasing-power", CHAMPION)
    client.delete_model_version("purchasing-power", "1")
    assert earlier_decision(shop, snapshot_date, training) is None


def test_evaluation_measures_everyone_on_the_same_users(shop, snapshot_date):
    trained = train.train(shop, snapshot_date)
    write_result(shop, snapshot_date, trained)
    result = evaluate.evaluate(shop, snapshot_date)
    low, high = result.ngini_interval
    assert low < result.measures["ngini"] < high
    assert set(result.baselines) == {"mean", "previous_window", "history_rate", "linear_rfm"}
    assert result.baselines["mean"].measures["ngini"] == 0
    assert sum(tier.users for tier in result.tiers.values()) == result.users == 240
    assert sum(tier.spend_share for tier in result.tiers.values()) == pytest.approx(1)
    assert {"region=north", "region=south", "tenure=longest"} <= set(result.slices)
    run = connect(shop).get_run(result.run_id)
    assert run.data.metrics["test_ngini"] == pytest.approx(result.measures["ngini"])
    assert run.data.metrics["baseline_mean_ngini"] == 0
    note = run.data.tags["mlflow.note.content"]
    assert all(f"## {question}" in note for question in ("What was tried", "What won", "By how much", "On which data"))
    assert run.data.metrics["surrogate_r2"] == result.surrogate.r2
    kept = pd.read_parquet(
        mlflow.artifacts.download_artifacts(run_id=result.run_id, artifact_path="test_predictions.parquet")
    )
    assert len(kept) == 240
    canary = pd.read_parquet(mlflow.artifacts.download_artifacts(run_id=result.run_id, artifact_path=CANARY_FILE))
    said = load_model(shop, trained.model).predict_spend(canary)
    assert set(canary["predicted_tier"]) == {"high", "mid", "low"}
    for name in PREDICTED:
        assert said[name].tolist() == canary[f"predicted_{name}"].tolist()
    pictures = {file.path for file in connect(shop).list_artifacts(result.run_id, "plots")}
    assert pictures == {
        f"plots/{name}.png" for name in ("calibration", "feature_importance", "gain_curve", "score_distribution")
    }


def test_slices_are_profile_values_and_thirds_of_tenure():
    features = pd.DataFrame({"region": ["a", "b", "a"], "T": [30.0, 10.0, 20.0]})
    assert {name: rows.tolist() for name, rows in evaluate.slices(features)} == {
        "region=a": [True, False, True],
        "region=b": [False, True, False],
        "tenure=shortest": [False, True, False],
        "tenure=middle": [False, False, True],
        "tenure=longest": [True, False, False],
    }


def test_an_equal_model_does_not_replace_the_champion_and_a_better_one_can_be_rolled_back(shop, snapshot_date):
    retrain(shop)
    equal = retrain(shop, "2020-03-29-00000002")
    client = connect(shop)
    assert (equal.outcome, equal.promoted) == ("no_gain", False)
    assert equal.numbers["gain_estimate"] == 0
    assert version_of(client, "purchasing-power", CHAMPION) == "1"
    assert version_of(client, "purchasing-power", CHALLENGER) == "2"

    measured = read_result(shop, snapshot_date, Evaluated)
    better = measured.champion.model_copy(update={"gain": Gain(0.05, 0.01, 1.0)})
    write_result(shop, snapshot_date, measured.model_copy(update={"champion": better, "slices": {}}))
    assert promote.promote(shop, snapshot_date).outcome == "better"
    assert version_of(client, "purchasing-power", CHAMPION) == "2"

    assert rollback.rollback(shop, NOW) == {
        "model_name": "purchasing-power",
        "from_version": "2",
        "to_version": "1",
        "service": "no live service runs",
    }
    assert version_of(client, "purchasing-power", CHAMPION) == "1"
    assert promote.promote(shop, snapshot_date).outcome == "rolled_back"
    with pytest.raises(PurseError, match=r"Version 1 .* is the first champion"):
        rollback.rollback(shop, NOW)


def test_a_retraining_for_an_earlier_day_is_not_compared_with_a_champion_that_knows_its_days(shop):
    retrain(shop)
    connect(shop).set_model_version_tag("purchasing-power", "1", "training_id", "2020-04-05-00000001")
    decided = retrain(shop, "2020-03-29-00000002")
    assert (decided.outcome, decided.promoted) == ("champion_is_later", False)
    assert "version 1, was trained as of 2020-04-05, after 2020-03-29" in decided.description
    assert version_of(connect(shop), "purchasing-power", CHAMPION) == "1"


def test_registering_again_finds_the_version_and_the_model_links_to_the_other_screens(shop, snapshot_date):
    write_result(shop, snapshot_date, train.train(shop, snapshot_date))
    assert register.register(shop, snapshot_date) == register.register(shop, snapshot_date)
    client = connect(shop)
    assert len(client.search_model_versions("name = 'purchasing-power'")) == 1
    said = client.get_registered_model("purchasing-power").description
    assert f"(http://127.0.0.1:{shop.serving.port}/model)" in said
    assert "(http://airflow.localhost:8080/dags/retrain_daily)" in said
    client.update_registered_model("purchasing-power", "a person's words")
    register.register(shop, snapshot_date)
    assert client.get_registered_model("purchasing-power").description == "a person's words"


def test_a_champion_that_changed_since_the_evaluation_stops_the_promotion(shop, snapshot_date):
    retrain(shop)
    retrain(shop, "2020-03-29-00000002")
    connect(shop).set_registered_model_alias("purchasing-power", CHAMPION, "2")
    write_result(shop, snapshot_date, read_result(shop, snapshot_date, Registered).model_copy(update={"version": "3"}))
    with pytest.raises(PurseError, match=r"compared with champion version 1, but .* is now version 2"):
        promote.promote(shop, snapshot_date)


def test_there_is_nothing_to_roll_back_at_first(shop):
    with pytest.raises(PurseError, match="has no champion to roll back"):
        rollback.rollback(shop, NOW)


def test_a_test_window_without_true_spend_cannot_be_measured(shop, snapshot_date, monkeypatch):
    from pipelines.evaluate import compared_models

    write_result(shop, snapshot_date, train.train(shop, snapshot_date))
    read = compared_models.read_labelled

    def unknown(*arguments):
        labelled = read(*arguments)
        labelled.users.future_spend[:] = math.nan
        return labelled

    monkeypatch.setattr(compared_models, "read_labelled", unknown)
    with pytest.raises(PurseError, match="test window from 2020-03-01 to 2020-03-29 has no orders"):
        evaluate.evaluate(shop, snapshot_date)
