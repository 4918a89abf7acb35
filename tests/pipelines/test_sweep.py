import pytest
from optuna.trial import TrialState

from models.search.space import SPACE
from pipelines import sweep
from pipelines.errors import PurseError
from pipelines.retraining.study import budget, study
from pipelines.settings import Settings
from pipelines.tracking.runs import connect, find_runs

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
    """Value and parameters of every finished trial by family and draw."""
    return {study.key(trial): (trial.values[0], trial.params) for trial in study.finished(opened_sweep(shop))}


def runs(shop, kind):
    return find_runs(connect(shop), shop, kind, "2020-03-29-00000001")


def test_planning_twice_adds_nothing(shop, snapshot_date):
    first, second = sweep.plan(shop, snapshot_date), sweep.plan(shop, snapshot_date)
    assert first == second
    assert first.workers == ["worker-1", "worker-2"]
    waiting = study.unfinished(study.open_sweep(shop, first.study))
    assert {study.key(trial) for trial in waiting} == PLANNED
    assert len(waiting) == len(PLANNED)


def test_a_study_of_other_families_is_one_sentence(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    with pytest.raises(PurseError, match=r"other families than bagging \(sweep\.families\)\. Run 'purse split' again"):
        sweep.plan(shop.with_changes(sweep__families=["bagging"]), snapshot_date)


def test_every_trial_runs_once_and_is_a_nested_run(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    result = sweep.work(shop, snapshot_date, "worker-1")
    again = sweep.work(shop, snapshot_date, "worker-2")
    assert (result.completed, result.failed, again.completed) == (6, 0, 0)
    values = {key: value for key, (value, _) in outcome(shop).items()}
    assert set(values) == PLANNED
    assert result.best.validation_ngini == max(values.values())
    trials = runs(shop, "trial")
    assert len(trials) == len(PLANNED)
    assert {run.info.status for run in trials} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {result.run_id}
    assert [run.info.status for run in runs(shop, "retraining")] == ["FINISHED"]
    logged = {(r.data.params["family"], int(r.data.params["draw"])): r.data.metrics["validation_ngini"] for r in trials}
    assert logged == pytest.approx(values)


def test_a_worker_takes_only_its_kind(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    assert sweep.work(shop, snapshot_date, "worker-1", "networks").completed == 0
    assert sweep.work(shop, snapshot_date, "worker-1", "tabular").completed == len(PLANNED)


def test_without_time_left_each_family_is_tried_once(shop, snapshot_date, monkeypatch):
    sweep.plan(shop, snapshot_date)
    monkeypatch.setattr(budget, "busy_seconds", lambda _: 60.0)
    sweep.work(shop, snapshot_date, "worker-1")
    assert {draw for _, draw in outcome(shop)} == {0}


def test_every_hyperparameter_is_where_plots_and_comparisons_look_for_it(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    sweep.work(shop, snapshot_date, "worker-1")
    opened = opened_sweep(shop)
    for trial in study.finished(opened):
        family, _ = study.key(trial)
        assert trial.params["family"] == family
        assert study.hyperparameters(trial).keys() == SPACE[family].keys()
    logged = {run.data.tags["purse.trial"]: run.data for run in runs(shop, "trial")}
    measures = {name for run in logged.values() for name in run.metrics}
    assert all(run.metrics.keys() == measures for run in logged.values())
    for trial in study.finished(opened):
        params = {name: str(value) for name, value in study.hyperparameters(trial).items()}
        assert logged[str(trial.number)].params.items() >= params.items()
    of_one = opened.trials(TrialState.COMPLETE)[0].user_attrs["measures"]
    assert of_one["validation_auc"] == pytest.approx(
        (of_one["validation_auc_fold_1"] + of_one["validation_auc_fold_2"]) / 2
    )
    assert of_one["fit_seconds"] + of_one["predict_seconds"] < of_one["trial_seconds"]


def test_two_processes_share_a_study_and_run_each_slot_once(shop, snapshot_date, start_step):
    shop = shop.with_changes(sweep__trials=14)
    planned = sweep.plan(shop, snapshot_date).trials
    workers = [start_step(shop, "pipelines.sweep:work", [name]) for name in ("worker-1", "worker-2")]
    assert [worker.wait() for worker in workers] == [0, 0]
    opened = opened_sweep(shop)
    keys = [study.key(trial) for trial in opened.trials()]
    assert len(keys) == len(set(keys)) == planned == 14
    assert {trial.state for trial in opened.trials()} == {TrialState.COMPLETE}
    assert {trial.user_attrs["worker"] for trial in opened.trials()} == {"worker-1", "worker-2"}
    assert len(runs(shop, "trial")) == planned
    assert [run.info.status for run in runs(shop, "retraining")] == ["FINISHED"]
    assert sweep.work(shop, snapshot_date, "worker-1").completed == 0


def test_the_parent_run_goes_on_until_the_last_worker_ends(shop, snapshot_date):
    sweep.plan(shop, snapshot_date)
    opened = opened_sweep(shop)
    taken = study.claim(opened, "worker-2", lambda waiting: waiting[0])
    sweep.work(shop, snapshot_date, "worker-1")
    assert [run.info.status for run in runs(shop, "retraining")] == ["RUNNING"]
    study.end(opened, taken, TrialState.FAIL, error="too large")
    sweep.work(shop, snapshot_date, "worker-2")
    assert [run.info.status for run in runs(shop, "retraining")] == ["FINISHED"]


def test_with_one_worker_the_same_seed_gives_the_same_trials(shop, undisturbed, snapshot_date):
    def tried(settings):
        settings = settings.with_changes(sweep__families=["ridge_rfm", "mean"], sweep__trials=9)
        sweep.plan(settings, snapshot_date)
        sweep.work(settings, snapshot_date, "worker-1")
        return {study.key(trial): trial.params for trial in opened_sweep(settings).trials(TrialState.COMPLETE)}

    assert len(tried(shop)) == 9
    assert tried(shop) == tried(undisturbed)


def test_a_failing_trial_is_recorded_and_the_sweep_goes_on(shop, snapshot_date, monkeypatch):
    _fail(monkeypatch, "ridge_rfm")
    sweep.plan(shop, snapshot_date)
    result = sweep.work(shop, snapshot_date, "worker-1")
    assert (result.completed, result.failed) == (3, 3)
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
    assert sweep.work(shop, snapshot_date, "worker-1").completed == len(PLANNED)


def test_a_worker_without_a_plan_names_the_step_to_run(shop, snapshot_date):
    with pytest.raises(PurseError, match=r"2020-03-29-00000001 has no trials .*'purse sweep --plan-only'"):
        sweep.work(shop, snapshot_date, "worker-1")
    assert runs(shop, "retraining") == []


def test_an_unknown_family_is_named(shop, snapshot_date):
    with pytest.raises(PurseError, match=r"sweep\.families names crystal_ball; expected any of mean"):
        sweep.plan(shop.with_changes(sweep__families=["crystal_ball"]), snapshot_date)


def test_a_killed_worker_that_runs_again_gives_the_same_sweep(shop, undisturbed, snapshot_date, kill_step):
    """The trial that is killed is one that TPE drew."""
    shop, undisturbed = (s.with_changes(sweep__families=["ridge_rfm"], sweep__trials=8) for s in (shop, undisturbed))
    sweep.plan(undisturbed, snapshot_date)
    sweep.work(undisturbed, snapshot_date, "worker-1")
    sweep.plan(shop, snapshot_date)
    kill_step(shop, "pipelines.sweep:work", ["worker-1"], "pipelines.retraining.study.claimed_trial:run_trial", 7)
    opened = opened_sweep(shop)
    assert [study.key(trial) for trial in opened.trials(TrialState.RUNNING)] == [("ridge_rfm", 6)]
    sweep.work(shop, snapshot_date, "worker-1")
    assert outcome(shop) == outcome(undisturbed)
    assert len(outcome(shop)) == 8
    assert not study.unfinished(opened)
    assert len(runs(shop, "trial")) == 8
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
