"""Optuna study of a sweep: workers, which may die, claim planned slots one at a time.

The number of trials per family is planned before the first trial starts, so every family gets its trials whatever
worker runs them and however often one is killed. A slot's key is its family and draw. When a trial dies, it is failed
and its slot waits again. Hyperparameters are drawn when a slot is claimed, from the family's results so far.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.errors import PurseError
from pipelines.files import exclusive
from pipelines.retraining.study.budget import DIED
from pipelines.settings import Settings

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, TrialState

    from models.search.space import Slot


@dataclass(frozen=True)
class Sweep:
    """Study and its storage; `name` is the training_id."""

    settings: Settings
    storage: "RDBStorage"
    study_id: int
    name: str

    def trials(self, *states: "TrialState") -> list["FrozenTrial"]:
        """Return the trials in any of the states (default: all), in planned order."""
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False, states=states or None)
        return sorted(trials, key=lambda trial: (trial.user_attrs["order"], trial.number))

    def trial_id(self, trial: "FrozenTrial") -> int:
        """Id of a trial in the storage; differs from its number."""
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, trial.number)


def open_sweep(settings: Settings, training_id: str) -> Sweep:
    """Open the study of a retraining in <home>/optuna.db; create it if it is new."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with exclusive(settings, "optuna"):  # two processes that create the tables at once would fail
        url = f"sqlite:///{settings.home_path / 'optuna.db'}"
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
        optuna.create_study(storage=storage, study_name=training_id, direction="maximize", load_if_exists=True)
    return Sweep(settings, storage, storage.get_study_id_from_name(training_id), training_id)


def enqueue(sweep: Sweep, planned: "list[Slot]") -> None:
    """Add the planned slots that are missing, and again those whose trial raised an error."""
    from optuna.trial import TrialState

    with exclusive(sweep.settings, "optuna-plan"):
        present = sweep.trials(TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
        keys = {key(trial) for trial in present}
        for order, slot in enumerate(planned):
            if (slot.family, slot.draw) not in keys:
                _add(sweep, {"family": slot.family, "draw": slot.draw, "order": order})


def claim(sweep: Sweep, worker: str, pick: "Callable[[list[FrozenTrial]], FrozenTrial | None]") -> "FrozenTrial | None":
    """Claim the waiting trial that `pick` returns and draw its hyperparameters; None if `pick` returns None.

    Two workers never claim the same trial. A default trial gets its parameters later by `set_params`: only its model
    knows them.
    """
    from optuna.trial import TrialState

    from models.search.draws import draw_parameters, draw_seed
    from models.search.space import family_space

    # SQLite would let two processes read the same waiting trial; TPE avoids a running trial only if it has parameters
    with exclusive(sweep.settings, "optuna-claim"):
        trial = pick(sweep.trials(TrialState.WAITING))
        if trial is None:
            return None
        sweep.storage.set_trial_user_attr(sweep.trial_id(trial), "worker", worker)
        sweep.storage.set_trial_state_values(sweep.trial_id(trial), TrialState.RUNNING)
        family, draw = key(trial)
        if draw > 0:
            seed = draw_seed(sweep.settings.sweep.seed, family, draw)
            set_params(sweep, trial, draw_parameters(family_space(family), draw, seed, earlier_draws(sweep, trial)))
        return reread(sweep, trial)


def set_params(sweep: Sweep, trial: "FrozenTrial", params: Mapping[str, Any]) -> None:
    """Write hyperparameters, named `family.name`, where Optuna's plots and samplers look for them."""
    from models.search.space import family_space

    space = family_space(key(trial)[0])
    for name, value in params.items():
        internal = space[name].to_internal_repr(value)
        sweep.storage.set_trial_param(sweep.trial_id(trial), name, internal, space[name])


def hyperparameters(trial: "FrozenTrial") -> dict[str, Any]:
    """Hyperparameters of a trial under its family's names; empty for a default trial that has just begun."""
    prefix = f"{key(trial)[0]}."
    return {name.removeprefix(prefix): value for name, value in trial.params.items() if name.startswith(prefix)}


def earlier_draws(sweep: Sweep, trial: "FrozenTrial") -> "list[FrozenTrial | None]":
    """Trials of the same family's earlier draws 0, 1, ...; None for a draw that neither runs nor ended well."""
    from optuna.trial import TrialState

    family, draw = key(trial)
    states = (TrialState.RUNNING, TrialState.PRUNED, TrialState.COMPLETE)
    trials = sorted(sweep.trials(*states), key=lambda other: states.index(other.state))
    by_key = {key(other): other for other in trials}
    return [by_key.get((family, earlier)) for earlier in range(draw)]


def report(sweep: Sweep, trial: "FrozenTrial", epoch: int, value: float) -> None:
    """Store a network's value after an epoch (from 1)."""
    sweep.storage.set_trial_intermediate_value(sweep.trial_id(trial), epoch, value)


def end(
    sweep: Sweep, trial: "FrozenTrial", state: "TrialState", value: float | None = None, **attributes: object
) -> None:
    """End a running trial. Attributes are written first, so that an ended trial always has them."""
    trial_id = sweep.trial_id(trial)
    for name, attribute in attributes.items():
        sweep.storage.set_trial_user_attr(trial_id, name, attribute)
    sweep.storage.set_trial_state_values(trial_id, state, None if value is None else [value])


def replace_dead(sweep: Sweep, dead: Callable[["FrozenTrial"], bool]) -> None:
    """Fail dead running trials and put their slots back in the queue; a kill in between loses no slot.

    The replacement is added first: if the old trial were failed first, a kill in between would lose the slot.
    """
    from optuna.trial import TrialState

    for trial in [trial for trial in sweep.trials(TrialState.RUNNING) if dead(trial)]:
        unfinished = sweep.trials(TrialState.WAITING, TrialState.COMPLETE, TrialState.PRUNED)
        if key(trial) not in {key(other) for other in unfinished}:
            _add(sweep, {name: trial.user_attrs[name] for name in ("family", "draw", "order")})
        end(sweep, trial, TrialState.FAIL, error=DIED)


def key(trial: "FrozenTrial") -> tuple[str, int]:
    """Family and draw: they identify a slot across kills and reruns."""
    return trial.user_attrs["family"], trial.user_attrs["draw"]


def best_by_family(sweep: Sweep) -> "list[FrozenTrial]":
    """Best complete trial of each family, best first; ties go to the trial planned first."""
    from optuna.trial import TrialState

    best: dict[str, FrozenTrial] = {}
    for trial in sorted(sweep.trials(TrialState.COMPLETE), key=lambda t: -t.values[0]):
        best.setdefault(trial.user_attrs["family"], trial)
    return list(best.values())


def failures(sweep: Sweep) -> "list[FrozenTrial]":
    """Trials that raised an error, in planned order; without those whose worker died."""
    from optuna.trial import TrialState

    return [trial for trial in sweep.trials(TrialState.FAIL) if trial.user_attrs.get("error") != DIED]


def finished(sweep: Sweep) -> "list[FrozenTrial]":
    """Trials that are complete, were pruned or raised an error; complete and pruned first, in planned order."""
    from optuna.trial import TrialState

    return [*sweep.trials(TrialState.COMPLETE, TrialState.PRUNED), *failures(sweep)]


def unfinished(sweep: Sweep) -> "list[FrozenTrial]":
    """Waiting and running trials, in planned order."""
    from optuna.trial import TrialState

    return sweep.trials(TrialState.WAITING, TrialState.RUNNING)


def reread(sweep: Sweep, trial: "FrozenTrial") -> "FrozenTrial":
    """Read the stored trial again."""
    return sweep.storage.get_trial(sweep.trial_id(trial))


def _add(sweep: Sweep, attributes: dict[str, Any]) -> None:
    """Add a waiting trial; only its family is fixed.

    Raises:
        PurseError: the study was planned with other families.
    """
    import optuna

    families = optuna.distributions.CategoricalDistribution(sweep.settings.sweep.families)
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        params={"family": attributes["family"]},
        distributions={"family": families},
        user_attrs=attributes,
    )
    try:
        sweep.storage.create_new_trial(sweep.study_id, template_trial=trial)
    except ValueError as error:  # a study has one list of families
        raise PurseError(
            f"The sweep of this training was planned with other families than {', '.join(families.choices)} "
            "(sweep.families). Run 'purse split' again, which starts another training, then 'purse sweep'."
        ) from error
