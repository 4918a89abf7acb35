"""Try families and hyperparameters on rolling snapshots; log every trial as a nested MLflow run.

`plan` sets the number of trials per family. Any number of `work` processes share the trials. `finish` runs each
family's default trial if it is missing and replaces dead trials. A trial's value is its mean nGini over the temporal
folds, minus a penalty for a grossly wrong total.
"""

import logging
from datetime import date
from typing import TYPE_CHECKING, Literal

from pipelines.errors import PurseError
from pipelines.files import exclusive
from pipelines.results.result import read_result
from pipelines.results.training import BestTrial, Planned, Split, Swept
from pipelines.retraining.study import budget, study
from pipelines.retraining.study.finish import plan_trials, require_success, run_trials
from pipelines.settings import Settings
from pipelines.tracking.runs import connect, resumed_run, run_url

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

Kind = Literal["all", "tabular", "networks"]


def plan(settings: Settings, snapshot_date: date) -> Planned:
    """Plan the trials and create the retraining's MLflow run; planning again only adds failed trials once more.

    Raises:
        PurseError: `split` has not run, a family is unknown, or MLflow does not answer.
    """
    training_id = read_result(settings, snapshot_date, Split).training_id
    with resumed_run(settings, training_id) as run_id:
        planned = plan_trials(study.open_sweep(settings, training_id))
    return Planned(
        study=training_id,
        trials=planned,
        workers=[f"worker-{number + 1}" for number in range(settings.sweep.workers)],
        run_id=run_id,
        run_url=run_url(settings, run_id),
    )


def work(settings: Settings, snapshot_date: date, worker: str, families: Kind = "all") -> Swept:
    """Run waiting trials of the chosen families until none is left or time is up; the rest stays waiting.

    A worker that runs again after a kill first puts the slot of its own unfinished trial back in the queue. A trial
    that raises an error is recorded with it, and the sweep goes on.

    Raises:
        PurseError: nothing is planned, every trial of the sweep failed, or MLflow does not answer.
    """
    from models.catalog import is_network

    def mine(trial: "FrozenTrial") -> bool:
        return families == "all" or is_network(study.key(trial)[0]) == (families == "networks")

    def pick(waiting: "list[FrozenTrial]") -> "FrozenTrial | None":
        begun = sweep.trials()
        time_is_up = budget.busy_seconds(begun) >= settings.sweep.seconds
        eligible = [trial for trial in waiting if mine(trial) and (study.key(trial)[1] == 0 or not time_is_up)]
        return budget.next_in_turn(eligible, begun)

    split = read_result(settings, snapshot_date, Split)
    sweep = study.open_sweep(settings, split.training_id)
    if not sweep.trials():
        raise PurseError(
            f"Sweep {split.training_id} has no trials to work on yet. Run 'purse sweep --plan-only' first."
        )
    study.replace_dead(sweep, lambda trial: mine(trial) and trial.user_attrs.get("worker") == worker)
    with resumed_run(settings, split.training_id) as run_id:
        ended = run_trials(sweep, split, run_id, worker, pick)
        if not study.unfinished(sweep):
            require_success(sweep)
    _keep_running_for_others(sweep, run_id)
    best = study.best_by_family(sweep)[:1]
    return Swept(
        worker=worker,
        completed=ended["COMPLETE"],
        pruned=ended["PRUNED"],
        failed=ended["FAIL"],
        best=_best(best[0]) if best else None,
        run_id=run_id,
        run_url=run_url(settings, run_id),
    )


def _keep_running_for_others(sweep: study.Sweep, run_id: str) -> None:
    """Set the parent run RUNNING while other workers run trials; only the last worker ends it."""
    from optuna.trial import TrialState

    client = connect(sweep.settings)
    with exclusive(sweep.settings, "sweep-end"):
        client.update_run(run_id, status="RUNNING" if sweep.trials(TrialState.RUNNING) else "FINISHED")


def _best(trial: "FrozenTrial") -> BestTrial:
    measures = trial.user_attrs["measures"]
    return BestTrial(
        family=study.key(trial)[0],
        validation_ngini=measures["validation_ngini"],
        validation_bias=measures["validation_bias"],
        objective=measures["objective"],
    )
