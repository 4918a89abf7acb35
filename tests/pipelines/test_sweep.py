from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState

from pipelines import study, sweep, tracking
from pipelines.errors import PurseError
from pipelines.settings import Settings

PLANNED = {
    ("linear_rfm", 0),
    ("ridge_rfm", 0),
    ("lightgbm_tweedie", 0),
    ("ridge_rfm", 1),
    ("lightgbm_tweedie", 1),
    ("ridge_rfm", 2),
}


def opened_sweep(shop: Settings) -> study.Sweep:
    return study.open_sweep(shop, "2020-03-29-00000001")


def outcome(shop):
    """Value of every finished trial by family and draw."""
    opened = opened_sweep(shop)
    return {study.key(trial): trial.values[0] for trial in study.finished(opened)}


def runs(shop, kind):
    return tracking.find_runs(tracking.connect(shop), shop, kind, "2020-03-29-00000001")


def test_planning_twice_adds_nothing(shop, snapshot_date):
    first, second = sweep.plan(shop, snapshot_date), sweep.plan(shop, snapshot_date)
    assert first == second
    assert first["workers"] == ["worker-1", "worker-2"]
    waiting = study.unfinished(study.open_sweep(shop, first["study"]))
    assert {study.key(trial) for trial in waiting} == PLANNED
    assert len(waiting) == len(PLANNED)


def test_every_trial_runs_once_and_is_a_nested_run(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    result = sweep.work(shop, snapshot_date, "worker-1")
    again = sweep.work(shop, snapshot_date, "worker-2")
    assert (result["completed"], result["failed"], again["completed"]) == (6, 0, 0)
    values = outcome(shop)
    assert set(values) == PLANNED
    assert result["best"]["validation_ngini"] == max(values.values())
    trials = runs(shop, "trial")
    assert len(trials) == len(PLANNED)
    assert {run.info.status for run in trials} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {result["run_id"]}
    assert [run.info.status for run in runs(shop, "retraining")] == ["FINISHED"]
    logged = {(r.data.params["family"], int(r.data.params["draw"])): r.data.metrics["validation_ngini"] for r in trials}
    assert logged == pytest.approx(values)


def test_a_worker_takes_only_its_kind(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    assert sweep.work(shop, snapshot_date, "worker-1", "networks")["completed"] == 0
    assert sweep.work(shop, snapshot_date, "worker-1", "tabular")["completed"] == len(PLANNED)


def test_without_time_left_each_family_is_tried_once(shop, snapshot_date, monkeypatch):
    sweep.plan(shop, snapshot_date)
    monkeypatch.setattr(study, "busy_seconds", lambda _: 60.0)
    sweep.work(shop, snapshot_date, "worker-1")
    assert {draw for _, draw in outcome(shop)} == {0}


def test_the_time_spent_is_that_of_trials_and_not_of_the_gaps_between(shop):
    opened = opened_sweep(shop)
    start = datetime(2020, 1, 1)  # noqa: DTZ001  (Optuna's times are local)
    for order, (first, last) in enumerate([(0, 10), (5, 12), (100, 103)]):
        opened.storage.create_new_trial(
            opened.study_id,
            FrozenTrial(
                number=order,
                trial_id=order,
                state=TrialState.COMPLETE,
                value=0.5,
                datetime_start=start + timedelta(seconds=first),
                datetime_complete=start + timedelta(seconds=last),
                params={},
                distributions={},
                user_attrs={"order": order},
                system_attrs={},
                intermediate_values={},
            ),
        )
    assert study.busy_seconds(opened) == 15


def test_a_failing_trial_is_recorded_and_the_sweep_goes_on(shop, snapshot_date, monkeypatch):
    _fail(monkeypatch, "ridge_rfm")
    sweep.plan(shop, snapshot_date)
    result = sweep.work(shop, snapshot_date, "worker-1")
    assert (result["completed"], result["failed"]) == (3, 3)
    failed = [run for run in runs(shop, "trial") if run.info.status == "FAILED"]
    assert {run.data.tags["error"] for run in failed} == {"MemoryError: too large"}


def test_a_sweep_in_which_every_trial_fails_names_the_first_error(shop, snapshot_date, monkeypatch):
    _fail(monkeypatch, "")
    sweep.plan(shop, snapshot_date)
    with pytest.raises(PurseError, match=r"All 6 trials .* linear_rfm .*too large.*champion is untouched"):
        sweep.work(shop, snapshot_date, "worker-1")
    assert [run.info.status for run in runs(shop, "retraining")] == ["FAILED"]
    monkeypatch.undo()
    sweep.plan(shop, snapshot_date)  # plans the failed ones once more
    assert sweep.work(shop, snapshot_date, "worker-1")["completed"] == len(PLANNED)


def test_an_unknown_family_is_named(shop, snapshot_date):
    with pytest.raises(PurseError, match=r"sweep\.families names crystal_ball; expected any of mean"):
        sweep.plan(shop.with_changes(sweep__families=["crystal_ball"]), snapshot_date)


def test_a_killed_worker_that_runs_again_gives_the_same_sweep(shop, undisturbed, snapshot_date, kill_step):
    sweep.plan(undisturbed, snapshot_date)
    sweep.work(undisturbed, snapshot_date, "worker-1")
    sweep.plan(shop, snapshot_date)
    kill_step(shop, "sweep.work", ["worker-1"], "trials.run_trial", 3)
    opened = opened_sweep(shop)
    assert len(opened.trials(TrialState.RUNNING)) == 1
    sweep.work(shop, snapshot_date, "worker-1")
    assert outcome(shop) == outcome(undisturbed)
    assert not study.unfinished(opened)
    assert len(runs(shop, "trial")) == len(PLANNED)
    assert {run.info.status for run in (*runs(shop, "trial"), *runs(shop, "retraining"))} == {"FINISHED"}


def _fail(monkeypatch, family):
    """Every family whose name starts with `family` can't be built."""
    from models import catalog

    build = catalog.build

    def failing(name, *arguments, **named):
        if name.startswith(family):
            raise MemoryError("too large")
        return build(name, *arguments, **named)

    monkeypatch.setattr(catalog, "build", failing)
