"""Plan, run and finish the trials of a sweep."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.errors import PurseError
from pipelines.results.training import Split
from pipelines.retraining.study import study
from pipelines.retraining.study.claimed_trial import run_claimed
from pipelines.retraining.study.trial import Fold, read_folds
from pipelines.retraining.study.trial_runs import log_trial
from pipelines.settings import Settings
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


log = logging.getLogger(__name__)


def finish(settings: Settings, split: Split, run_id: str) -> study.Sweep:
    """Finish a sweep: replace dead trials, run each family's default trial, log every trial's run.

    Every running trial counts as dead, so call this after the workers have ended.

    Raises:
        PurseError: every trial failed.
    """
    sweep = study.open_sweep(settings, split.training_id)
    study.replace_dead(sweep, lambda _: True)
    if not sweep.trials():
        plan_trials(sweep)
    run_trials(sweep, split, run_id, "train", lambda waiting: next((t for t in waiting if study.key(t)[1] == 0), None))
    require_success(sweep)
    return sweep


def plan_trials(sweep: study.Sweep) -> int:
    """Add the planned trials that are missing; return the number of planned trials.

    Raises:
        PurseError: sweep.families names an unknown family.
    """
    from models.catalog import FAMILIES
    from models.search.space import plan_slots

    config = sweep.settings.sweep
    if unknown := sorted(set(config.families) - set(FAMILIES)):
        known = ", ".join(FAMILIES)
        raise PurseError(f"sweep.families names {', '.join(unknown)}; expected any of {known}. Correct the setting.")
    planned = plan_slots(config.families, config.trials)
    study.enqueue(sweep, planned)
    return len(planned)


def run_trials(
    sweep: study.Sweep,
    split: Split,
    run_id: str,
    worker: str,
    pick: Callable[["list[FrozenTrial]"], "FrozenTrial | None"],
) -> Counter[str]:
    """Run the trials that `pick` returns, log finished trials that have no run, and count ended trials by state.

    A trial that another process declared dead in the meantime is lost; its slot waits again.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    settings, client = sweep.settings, connect(sweep.settings)
    for finished in study.finished(sweep):
        log_trial(client, sweep, run_id, finished)
    folds: list[Fold] = []
    ended: Counter[str] = Counter()
    while trial := study.claim(sweep, worker, pick):
        client.update_run(run_id, status="RUNNING")  # another worker may have ended the run between two trials
        folds = folds or read_folds(settings, split)
        try:
            run_claimed(sweep, trial, folds, split.label_days)
        except UpdateFinishedTrialError:
            log.warning("%s %d is lost: another process declared worker %s dead", *study.key(trial), worker)
            continue
        trial = study.reread(sweep, trial)
        log_trial(client, sweep, run_id, trial)
        ended[trial.state.name] += 1
    return ended


def require_success(sweep: study.Sweep) -> None:
    """Raise unless at least one trial succeeded.

    Raises:
        PurseError: every trial failed.
    """
    if study.best_by_family(sweep):
        return
    failed = study.failures(sweep)
    first = failed[0]
    raise PurseError(
        f"All {len(failed)} trials of sweep {sweep.name} failed; the first, {study.key(first)[0]} "
        f"with {study.hyperparameters(first)}: {first.user_attrs['error']}. The champion is untouched. Correct the "
        "cause or sweep.families and run 'purse sweep --plan-only' and 'purse sweep' again."
    )
