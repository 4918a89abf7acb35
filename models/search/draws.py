"""The draws of one family: the defaults, then random ones, then TPE; and which of them Hyperband stops early.

Both learn from the family's own earlier draws only. In a study of all families the best trials belong to the best
family, so that TPE on the whole of it knows nothing good about the others; and the learning curves of unlike networks
say little about each other. It also makes a family's draws the same whatever other families are tried beside it.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from models.search.space import Space

STARTUP = 4
"""Random draws after the defaults, before TPE has enough to learn from."""


def draw_seed(seed: int, family: str, draw: int) -> int:
    """A seed of its own for every draw of every family."""
    digest = hashlib.md5(f"{seed}:{family}:{draw}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16)


def draw_parameters(space: Space, draw: int, seed: int, earlier: Sequence[FrozenTrial | None]) -> dict[str, Any]:
    """Hyperparameters of a family's `draw`-th trial, 1 or more; the objective is maximised.

    Args:
        space: of the family.
        draw: up to `STARTUP` it is random and depends on the seed alone.
        seed: of this draw.
        earlier: the family's trials of draws 0, 1, ...; those that run are avoided (constant liar). None: no trial.
    """
    sampler = (
        optuna.samplers.RandomSampler(seed)
        if draw <= STARTUP
        else optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, constant_liar=True, seed=seed)
    )
    return _replayed(space, earlier, sampler=sampler).ask(space).params


def hyperband(
    name: str, space: Space, epochs: int, earlier: Sequence[FrozenTrial | None]
) -> Callable[[int, float], bool]:
    """What takes the epochs of a family's next trial, one after the other, and says when to stop it.

    Args:
        name: of the comparison; Hyperband draws the bracket of each trial from it and the number of the draw.
        space: of the family.
        epochs: the most that a trial trains.
        earlier: the family's trials of draws 0, 1, ..., with the values they reported. None: no trial.

    Returns:
        A function of the epoch (from 1) and its value, which is better when higher.
    """
    study = _replayed(space, earlier, name=name, pruner=optuna.pruners.HyperbandPruner(max_resource=epochs))
    trial = study.ask()

    def stops(epoch: int, value: float) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return stops


def _replayed(space: Space, earlier: Sequence[FrozenTrial | None], **named: Any) -> optuna.Study:  # noqa: ANN401
    """A study in memory in which the earlier draws happened in their order, each with its number."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", study_name=named.pop("name", None), **named)
    for past in earlier:
        params = past.params if past else {}
        known = {name: distribution for name, distribution in space.items() if name in params}
        study.enqueue_trial({name: params[name] for name in known})
        trial = study.ask(known)
        for epoch, value in past.intermediate_values.items() if past else ():
            trial.report(value, epoch)
            trial.should_prune()  # notes how far it came
        if past is None or past.state == TrialState.FAIL:
            study.tell(trial, state=TrialState.FAIL)
        elif past.state in (TrialState.COMPLETE, TrialState.PRUNED):
            study.tell(trial, values=past.values if past.state == TrialState.COMPLETE else None, state=past.state)
    return study
