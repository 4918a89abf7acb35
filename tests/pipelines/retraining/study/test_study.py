"""Workers that meet in one study."""

import pytest
import yaml
from optuna.trial import TrialState
from typer.testing import CliRunner

from cli.main import app
from pipelines import sweep
from pipelines.retraining.study import claimed_trial, study
from pipelines.retraining.study import trial as trials
from pipelines.tracking.runs import connect, find_runs

TRAINING_ID = "2020-03-29-00000001"


def take_for_dead(shop, number):
    """What another process does that takes the worker of a trial for dead."""
    study.replace_dead(study.open_sweep(shop, TRAINING_ID), lambda trial: trial.number == number)


def test_a_sweep_by_hand_leaves_the_trials_of_the_workers_alone(shop, snapshot_date, tmp_path, monkeypatch):
    config = tmp_path / "purse.yaml"
    config.write_text(yaml.safe_dump(shop.model_dump(mode="json")))
    monkeypatch.setenv("PURSE_CONFIG", str(config))
    workers = sweep.plan(shop, snapshot_date).workers
    opened = study.open_sweep(shop, TRAINING_ID)
    running = [study.claim(opened, worker, lambda waiting: waiting[0]).number for worker in (*workers, "networks")]
    done = CliRunner().invoke(app, ["sweep", "--snapshot-date", str(snapshot_date)], catch_exceptions=False)
    assert done.exit_code == 0
    assert [trial.number for trial in opened.trials(TrialState.RUNNING)] == running
    assert len(opened.trials(TrialState.COMPLETE)) == len(opened.trials()) - len(running)


@pytest.mark.parametrize("error", [None, MemoryError("too large")])
def test_a_trial_that_another_process_took_for_dead_is_lost_and_the_worker_goes_on(
    shop, snapshot_date, monkeypatch, caplog, error
):
    run_trial, calls = claimed_trial.run_trial, []

    def disturbed(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            take_for_dead(shop, 0)
            if error:
                raise error
        return run_trial(*arguments)

    monkeypatch.setattr(claimed_trial, "run_trial", disturbed)
    planned = sweep.plan(shop, snapshot_date).trials
    result = sweep.work(shop, snapshot_date, "worker-1")
    assert (result.completed, result.failed) == (planned, 0)
    assert len(calls) == planned + 1
    assert "linear_rfm 0 is lost" in caplog.text
    runs = find_runs(connect(shop), shop, "trial", TRAINING_ID)
    assert [run.info.status for run in runs] == ["FINISHED"] * planned


def test_a_lost_trial_keeps_its_predictions_from_those_of_the_slot_that_ran_again(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    opened = study.open_sweep(shop, TRAINING_ID)
    lost = study.claim(opened, "worker-1", lambda waiting: waiting[0])
    take_for_dead(shop, lost.number)
    again = study.claim(opened, "worker-1", lambda waiting: waiting[0])
    assert study.key(again) == study.key(lost)
    trials.save_predictions(opened, again, [[1.0]])
    trials.save_predictions(opened, lost, [[2.0]])
    assert trials.read_predictions(opened, again) == [[1.0]]
