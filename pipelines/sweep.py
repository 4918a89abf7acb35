"""Try families and hyperparameters on rolling snapshots; every trial is a nested MLflow run.

`plan` decides how many trials each family gets, any number of `work` processes share them, `finish` makes sure that
every family was tried once and that nothing is left half done. The value of a trial is its mean nGini over the temporal
folds, less a penalty for a total that is grossly wrong.
"""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from pipelines import budget, study, tracking, trials
from pipelines.claimed_trial import run_claimed
from pipelines.errors import PurseError
from pipelines.results import read_result
from pipelines.settings import Settings
from pipelines.trial_runs import log_trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

Kind = Literal["all", "tabular", "networks"]


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

    Run again after a kill, a worker first lets the slot of its own unfinished trial wait again. A trial that raises is
    recorded with its error and the sweep goes on.

    Raises:
        PurseError: nothing is planned, every trial of the sweep failed, or MLflow does not answer.
    """
    from models.catalog import is_network

    def mine(trial: "FrozenTrial") -> bool:
        return families == "all" or is_network(study.key(trial)[0]) == (families == "networks")

    def pick(waiting: "list[FrozenTrial]") -> "FrozenTrial | None":
        begun = sweep.trials()
        time_is_up = budget.busy_seconds(begun) >= settings.sweep.seconds
        wanted = [trial for trial in waiting if mine(trial) and (study.key(trial)[1] == 0 or not time_is_up)]
        return budget.next_in_turn(wanted, begun)

    training_id = read_result(settings, snapshot_date, "split")["training_id"]
    sweep = study.open_sweep(settings, training_id)
    if not sweep.trials():
        raise PurseError(f"Sweep {training_id} has no trials to work on yet. Run 'purse sweep --plan-only' first.")
    study.replace_dead(sweep, lambda trial: mine(trial) and trial.user_attrs.get("worker") == worker)
    with tracking.resumed_run(settings, training_id) as run_id:
        ended = _run_trials(sweep, snapshot_date, run_id, worker, pick)
        if not study.unfinished(sweep):
            _require_success(sweep)
    _leave_to_others(sweep, run_id)
    best = study.best_by_family(sweep)[:1]
    return {
        "worker": worker,
        "completed": ended["COMPLETE"],
        "pruned": ended["PRUNED"],
        "failed": ended["FAIL"],
        "best": {"family": study.key(best[0])[0], **_headline(best[0])} if best else None,
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
    _run_trials(
        sweep, snapshot_date, run_id, "train", lambda waiting: next((t for t in waiting if study.key(t)[1] == 0), None)
    )
    _require_success(sweep)
    return sweep


def _plan(sweep: study.Sweep) -> int:
    from models.catalog import FAMILIES
    from models.search.space import plan_slots

    wanted = sweep.settings.sweep
    if unknown := sorted(set(wanted.families) - set(FAMILIES)):
        known = ", ".join(FAMILIES)
        raise PurseError(f"sweep.families names {', '.join(unknown)}; expected any of {known}. Correct the setting.")
    planned = plan_slots(wanted.families, wanted.trials)
    study.enqueue(sweep, planned)
    return len(planned)


def _run_trials(
    sweep: study.Sweep,
    snapshot_date: date,
    run_id: str,
    worker: str,
    pick: Callable[["list[FrozenTrial]"], "FrozenTrial | None"],
) -> Counter[str]:
    """Run the trials that `pick` takes and log every finished one that has no run yet; how many ended in each state.

    One that another process took for dead meanwhile is lost: its slot waits again.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    settings, client = sweep.settings, tracking.connect(sweep.settings)
    label_days = read_result(settings, snapshot_date, "split")["label_days"]
    for finished in study.finished(sweep):
        log_trial(client, sweep, run_id, finished)
    folds: list[trials.Fold] = []
    ended: Counter[str] = Counter()
    while trial := study.claim(sweep, worker, pick):
        client.update_run(run_id, status="RUNNING")  # a worker that ended while this one was between two trials
        folds = folds or trials.read_folds(settings, snapshot_date)
        try:
            run_claimed(sweep, trial, folds, label_days)
        except UpdateFinishedTrialError:
            log.warning("%s %d is lost: another process took worker %s for dead", *study.key(trial), worker)
            continue
        trial = study.reread(sweep, trial)
        log_trial(client, sweep, run_id, trial)
        ended[trial.state.name] += 1
    return ended


def _leave_to_others(sweep: study.Sweep, run_id: str) -> None:
    """Of workers side by side only the last one ends the parent run: the others leave it running."""
    from optuna.trial import TrialState

    client = tracking.connect(sweep.settings)
    with tracking.exclusive(sweep.settings, "sweep-end"):
        client.update_run(run_id, status="RUNNING" if sweep.trials(TrialState.RUNNING) else "FINISHED")


def _headline(trial: "FrozenTrial") -> dict[str, float]:
    return {name: trial.user_attrs["measures"][name] for name in ("validation_ngini", "validation_bias", "objective")}


def _require_success(sweep: study.Sweep) -> None:
    if study.best_by_family(sweep):
        return
    failed = study.failures(sweep)
    first = failed[0]
    raise PurseError(
        f"All {len(failed)} trials of sweep {sweep.name} failed; the first, {study.key(first)[0]} "
        f"with {study.hyperparameters(first)}: {first.user_attrs['error']}. The champion is untouched. Correct the "
        "cause or sweep.families and run 'purse sweep --plan-only' and 'purse sweep' again."
    )
