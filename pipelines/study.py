"""The Optuna study of a sweep: planned trials are claimed one at a time by workers that may die.

Every trial is planned before the first one starts, so the outcome depends neither on which worker runs what nor on
how often one is killed. A trial's key is its family and draw; a trial that died is failed and its key waits again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.settings import Settings
from pipelines.tracking import exclusive

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, TrialState

    from models.search_space import PlannedTrial

DIED = "the worker that ran it ended; planned again"


@dataclass(frozen=True)
class Sweep:
    """A study in its storage; `name` is the training_id."""

    settings: Settings
    storage: "RDBStorage"
    study_id: int
    name: str

    def trials(self, *states: "TrialState") -> list["FrozenTrial"]:
        """The trials in any of the states (none named: all), in the order of the plan."""
        found = self.storage.get_all_trials(self.study_id, deepcopy=False, states=states or None)
        return sorted(found, key=lambda trial: (trial.user_attrs["order"], trial.number))

    def trial_id(self, trial: "FrozenTrial") -> int:
        """The storage's id of a trial, which is not its number."""
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial.number)


def open_sweep(settings: Settings, training_id: str) -> Sweep:
    """The study of a retraining, made if it is new, in <home>/optuna.db."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with exclusive(settings, "optuna"):  # two processes that make the tables at once would fail
        url = f"sqlite:///{settings.home_path / 'optuna.db'}"
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
        optuna.create_study(storage=storage, study_name=training_id, direction="maximize", load_if_exists=True)
    return Sweep(settings, storage, storage.get_study_id_from_name(training_id), training_id)


def enqueue(sweep: Sweep, planned: "list[PlannedTrial]") -> None:
    """Add the planned trials that are missing, and those that failed of themselves once more."""
    from optuna.trial import TrialState

    with exclusive(sweep.settings, "optuna-plan"):
        present = sweep.trials(TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
        keys = {key(trial) for trial in present}
        for order, trial in enumerate(planned):
            if (trial.family, trial.draw) not in keys:
                attributes = {"family": trial.family, "draw": trial.draw, "params": trial.params, "order": order}
                _add(sweep, attributes)


def claim(sweep: Sweep, worker: str, wanted: Callable[["FrozenTrial"], bool]) -> "FrozenTrial | None":
    """Take the first waiting trial that is wanted; None if there is none. No two workers get the same one."""
    from optuna.trial import TrialState

    for trial in sweep.trials(TrialState.WAITING):
        trial_id = sweep.trial_id(trial)
        if wanted(trial) and sweep.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
            sweep.storage.set_trial_user_attr(trial_id, "worker", worker)
            return reread(sweep, trial)
    return None


def complete(
    sweep: Sweep, trial: "FrozenTrial", value: float, measures: dict[str, float], params: dict[str, Any]
) -> None:
    """End a running trial with its value; the rest goes first, so that a complete trial always has it.

    `params` are all hyperparameters, those that had their defaults too.
    """
    from optuna.trial import TrialState

    trial_id = sweep.trial_id(trial)
    sweep.storage.set_trial_user_attr(trial_id, "measures", measures)
    sweep.storage.set_trial_user_attr(trial_id, "all_params", params)
    sweep.storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [value])


def fail(sweep: Sweep, trial: "FrozenTrial", error: str) -> None:
    """End a running trial with the reason why it has no value."""
    from optuna.trial import TrialState

    trial_id = sweep.trial_id(trial)
    sweep.storage.set_trial_user_attr(trial_id, "error", error[:1000])
    sweep.storage.set_trial_state_values(trial_id, TrialState.FAIL)


def replace_dead(sweep: Sweep, dead: Callable[["FrozenTrial"], bool]) -> None:
    """Fail the running trials that are dead and plan the same again; a kill in between leaves nothing to lose.

    The replacement is added first: were the old one failed first, a kill there would lose the key.
    """
    from optuna.trial import TrialState

    for trial in [trial for trial in sweep.trials(TrialState.RUNNING) if dead(trial)]:
        unfinished = sweep.trials(TrialState.WAITING, TrialState.COMPLETE)
        if key(trial) not in {key(other) for other in unfinished}:
            _add(sweep, {name: trial.user_attrs[name] for name in ("family", "draw", "params", "order")})
        fail(sweep, trial, DIED)


def key(trial: "FrozenTrial") -> tuple[str, int]:
    """Family and draw, which name a trial across kills and reruns."""
    return trial.user_attrs["family"], trial.user_attrs["draw"]


def best_by_family(sweep: Sweep) -> "list[FrozenTrial]":
    """The best complete trial of each family, best first; of equals the one planned first."""
    from optuna.trial import TrialState

    best: dict[str, FrozenTrial] = {}
    for trial in sorted(sweep.trials(TrialState.COMPLETE), key=lambda t: -t.values[0]):
        best.setdefault(trial.user_attrs["family"], trial)
    return list(best.values())


def failures(sweep: Sweep) -> "list[FrozenTrial]":
    """The trials that raised, in the order of the plan; not those whose worker died."""
    from optuna.trial import TrialState

    return [trial for trial in sweep.trials(TrialState.FAIL) if trial.user_attrs.get("error") != DIED]


def finished(sweep: Sweep) -> "list[FrozenTrial]":
    """The trials that have a value or raised, in the order of the plan."""
    from optuna.trial import TrialState

    return [*sweep.trials(TrialState.COMPLETE), *failures(sweep)]


def unfinished(sweep: Sweep) -> "list[FrozenTrial]":
    """The trials that wait or run, in the order of the plan."""
    from optuna.trial import TrialState

    return sweep.trials(TrialState.WAITING, TrialState.RUNNING)


def reread(sweep: Sweep, trial: "FrozenTrial") -> "FrozenTrial":
    """The trial as it is stored now."""
    return sweep.storage.get_trial(sweep.trial_id(trial))


def busy_seconds(sweep: Sweep) -> float:
    """Seconds in which at least one finished trial was running: wall-clock time without the gap after a kill."""
    spans = sorted((t.datetime_start.timestamp(), t.datetime_complete.timestamp()) for t in finished(sweep))
    busy, until = 0.0, 0.0
    for start, end in spans:
        busy += max(end - max(start, until), 0.0)
        until = max(until, end)
    return busy


def _add(sweep: Sweep, attributes: dict[str, Any]) -> None:
    """A waiting trial; Optuna's plots see its parameters as `family.name`, since families share names, not ranges."""
    import optuna

    from models.search_space import SPACE

    family, params = attributes["family"], attributes["params"]
    space = {name: distribution for name, distribution in SPACE[family].items() if name in params}
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        params={f"{family}.{name}": params[name] for name in space},
        distributions={f"{family}.{name}": distribution for name, distribution in space.items()},
        user_attrs=json.loads(json.dumps(attributes)),
    )
    sweep.storage.create_new_trial(sweep.study_id, template_trial=trial)
