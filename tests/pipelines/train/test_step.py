import json

import mlflow
import pandas as pd
import pytest

from pipelines import sweep
from pipelines.errors import PurseError
from pipelines.results.result import read_result
from pipelines.results.training import LoggedModel, Split
from pipelines.retraining.training_set import read_labelled
from pipelines.tracking import logged_model
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.runs import connect, find_runs
from pipelines.train import step as train


@pytest.fixture
def example(shop, snapshot_date):
    """One raw row."""
    split = read_result(shop, snapshot_date, Split)
    return read_labelled(shop, split, [split.test]).users.features.head(1)


def test_a_model_that_is_reloaded_scores_one_raw_row_as_before(shop, snapshot_date, example, monkeypatch):
    saved = []
    log_model = logged_model.log_model
    monkeypatch.setattr(
        logged_model, "log_model", lambda model, *rest: (saved.append(model), log_model(model, *rest))[1]
    )
    result = train.train(shop, snapshot_date)
    before = saved[0].predict(example)
    pd.testing.assert_frame_equal(logged_model.load_model(shop, result.model).predict(example), before)
    served = mlflow.pyfunc.load_model(result.model.uri)
    pd.testing.assert_frame_equal(served.predict(example), before)
    assert served.metadata.get_input_schema().input_names() == list(example.columns)
    assert "tier" in served.metadata.get_output_schema().input_names()


def test_training_makes_up_for_a_sweep_that_nobody_worked_on(shop, snapshot_date):
    result = train.train(shop, snapshot_date)
    client = connect(shop)
    trials = find_runs(client, shop, "trial", result.training_id)
    assert {(run.data.params["family"], run.data.params["draw"]) for run in trials} == {
        ("linear_rfm", "0"),
        ("ridge_rfm", "0"),
        ("lightgbm_tweedie", "0"),
    }
    run = client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["lake.training_sets"] == "0"
    assert {each.dataset.name for each in run.inputs.dataset_inputs} == {"training_sets", "raw/order_lines"}
    features = json.loads(open(client.download_artifacts(result.run_id, "features.json")).read())  # noqa: PTH123, SIM115
    assert features["features"] == read_result(shop, snapshot_date, Split).features


def test_the_same_data_and_settings_are_not_trained_twice(shop, snapshot_date):
    assert train.train(shop, snapshot_date) == train.train(shop, snapshot_date)


def test_a_killed_training_that_runs_again_gives_the_same_model(shop, undisturbed, snapshot_date, example, kill_step):
    for each in (shop, undisturbed):
        sweep.plan(each, snapshot_date)
        sweep.work(each, snapshot_date, "worker-1")
    expected = train.train(undisturbed, snapshot_date)
    kill_step(shop, "pipelines.train.step:train", [], "pipelines.tracking.logged_model:log_model", 1)
    result = train.train(shop, snapshot_date)
    varying = {"run_id", "model", "run_url"}
    without = {**dict.fromkeys(varying, True), "stand_in": varying}
    assert result.model_dump(exclude=without) == expected.model_dump(exclude=without)
    assert result.stand_in.baseline == "history_rate"
    predictions = [
        logged_model.load_model(each, said.model).predict(example)
        for each, said in ((undisturbed, expected), (shop, result))
    ]
    pd.testing.assert_frame_equal(*predictions)
    client = connect(shop)
    runs = [*find_runs(client, shop, "trial", result.training_id), client.get_run(result.run_id)]
    assert {run.info.status for run in runs} == {"FINISHED"}
    models = client.search_logged_models([experiment_id(client, shop)])
    assert {model.model_uri for model in models} == {result.model.uri, result.stand_in.model.uri}
    assert len(models) == 2


def test_a_model_that_is_not_there_is_named(shop):
    with pytest.raises(PurseError, match=r"models:/purchasing-power/7 .* cannot be loaded.*purse champion"):
        logged_model.load_version(shop, "7")
    nothing = LoggedModel(uri=f"models:/m-{'0' * 32}", digest="")
    with pytest.raises(PurseError, match=r"models:/m-0+ .* cannot be loaded.*purse champion"):
        logged_model.load_model(shop, nothing)
    with pytest.raises(PurseError, match=r"Expected the address of a logged model.*found 'file:///etc'"):
        logged_model.load_model(shop, nothing.model_copy(update={"uri": "file:///etc"}))
