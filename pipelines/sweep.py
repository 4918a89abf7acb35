"""Try families and hyperparameters on rolling snapshots; every trial is a nested MLflow run.

`plan` decides what is tried, any number of `work` processes share the trials, `finish` makes sure that every family was
tried once and that nothing is left half done. The value of a trial is its mean nGini over the temporal folds.
"""

import logging
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from pipelines import study, tracking, trials
from pipelines.errors import PurseError
from pipelines.results import read_result
from pipelines.settings import Settings

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Kind = Literal["all", "tabular", "networks"]
log = logging.getLogger(__name__)


def plan(settings: Settings, snapshot_date: date) -> dict[str, Any]:
    """Plan the trials and make the retraining's MLflow run; planning again adds nothing but what had failed.

    Raises:
        PurseError: `split` has not run, a family is unknown, or MLflow does not answer.
    """
    training_id = read_result(settings, snapshot_date, "split")["training_id"]
    with tracking.resumed_run(settings, training_id) as run_id:
        planned = _plan(study.open_sweep(settings, training_id))
    return {
        "study": training_id,
        "trials": planned,
        "workers": [f"worker-{number + 1}" for number in range(settings.sweep.workers)],
        "run_id": run_id,
        "run_url": tracking.run_url(settings, run_id),
    }


def work(settings: Settings, snapshot_date: date, worker: str, families: Kind = "all") -> dict[str, Any]:
    """Run waiting trials of the wanted kind until there are none or the time is up; then the rest is left waiting.

    Run again after a kill, a worker first plans its own unfinished trial anew. A trial that raises is recorded with its
    error and the sweep goes on.

    Raises:
        PurseError: every trial of the sweep failed, or MLflow does not answer.
    """
    from models.catalog import is_network

    def mine(trial: "FrozenTrial") -> bool:
        return families == "all" or is_network(trial.user_attrs["family"]) == (families == "networks")

    def wanted(trial: "FrozenTrial") -> bool:
        first_of_family = trial.user_attrs["draw"] == 0
        return mine(trial) and (first_of_family or study.busy_seconds(sweep) < settings.sweep.seconds)

    training_id = read_result(settings, snapshot_date, "split")["training_id"]
    sweep = study.open_sweep(settings, training_id)
    study.replace_dead(sweep, lambda trial: mine(trial) and trial.user_attrs.get("worker") == worker)
    with tracking.resumed_run(settings, training_id) as run_id:
        completed, failed = _run_trials(sweep, snapshot_date, run_id, worker, wanted)
        if not study.unfinished(sweep):
            _require_success(sweep)
    best = study.best_by_family(sweep)[:1]
    return {
        "worker": worker,
        "completed": completed,
        "failed": failed,
        "best": {"family": best[0].user_attrs["family"], "validation_ngini": best[0].values[0]} if best else None,
        "run_id": run_id,
        "run_url": tracking.run_url(settings, run_id),
    }


def finish(settings: Settings, snapshot_date: date, run_id: str) -> study.Sweep:
    """The finished sweep: what dead workers left is done, each family had its first trial, each trial has its run.

    Every trial that is still running counts as dead: call it when the workers have ended.

    Raises:
        PurseError: every trial failed.
    """
    sweep = study.open_sweep(settings, read_result(settings, snapshot_date, "split")["training_id"])
    study.replace_dead(sweep, lambda _: True)
    if not sweep.trials():
        _plan(sweep)
    _run_trials(sweep, snapshot_date, run_id, "train", lambda trial: trial.user_attrs["draw"] == 0)
    _require_success(sweep)
    return sweep


def _plan(sweep: study.Sweep) -> int:
    from models.catalog import FAMILIES
    from models.search_space import plan_trials

    wanted = sweep.settings.sweep
    if unknown := sorted(set(wanted.families) - set(FAMILIES)):
        known = ", ".join(FAMILIES)
        raise PurseError(f"sweep.families names {', '.join(unknown)}; expected any of {known}. Correct the setting.")
    planned = plan_trials(wanted.families, wanted.trials, wanted.seed)
    study.enqueue(sweep, planned)
    return len(planned)


def _run_trials(
    sweep: study.Sweep,
    snapshot_date: date,
    run_id: str,
    worker: str,
    wanted: Callable[["FrozenTrial"], bool],
) -> tuple[int, int]:
    """Run the wanted trials and log every finished one that has no run yet; how many completed and failed."""
    settings, client = sweep.settings, tracking.connect(sweep.settings)
    label_days = read_result(settings, snapshot_date, "split")["label_days"]
    for finished in study.finished(sweep):
        trials.log_trial(client, sweep, run_id, finished)
    folds: list[trials.Fold] = []
    counts = {True: 0, False: 0}
    while trial := study.claim(sweep, worker, wanted):
        folds = folds or trials.read_folds(settings, snapshot_date)
        counts[_run_trial(sweep, trial, folds, label_days)] += 1
        trials.log_trial(client, sweep, run_id, study.reread(sweep, trial))
    return counts[True], counts[False]


def _run_trial(sweep: study.Sweep, trial: "FrozenTrial", folds: list[trials.Fold], label_days: int) -> bool:
    """Run one claimed trial to its end; say whether it has a value."""
    family, draw = study.key(trial)
    settings, params = sweep.settings, trial.user_attrs["params"]
    try:
        params = trials.all_params(settings, family, params)
        predictions, measures = trials.run_trial(settings, family, params, folds, label_days)
    except Exception as error:  # one bad combination must not end the sweep; the error is kept with the trial
        log.warning("%s %d failed: %s", family, draw, error)
        study.fail(sweep, trial, f"{type(error).__name__}: {error}")
        return False
    trials.save_predictions(sweep, trial, predictions)
    study.complete(sweep, trial, measures["validation_ngini"], measures, params)
    log.info("%s %d: nGini %.4f", family, draw, measures["validation_ngini"])
    return True


def _require_success(sweep: study.Sweep) -> None:
    if study.best_by_family(sweep):
        return
    failed = study.failures(sweep)
    first = failed[0]
    raise PurseError(
        f"All {len(failed)} trials of sweep {sweep.name} failed; the first, {first.user_attrs['family']} "
        f"with {first.user_attrs['params']}: {first.user_attrs['error']}. The champion is untouched. Correct the cause "
        "or sweep.families and run 'purse sweep --plan-only' and 'purse sweep' again."
    )
