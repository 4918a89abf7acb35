"""Trials of one family: defaults, then random draws, then TPE; Hyperband stops some of them early.

Both learn from the family's own earlier trials only. In a study of all families the best trials belong to the best
family, so TPE over the whole study learns nothing about the others, and learning curves of different networks say
little about each other. It also makes a family's draws independent of the other families in the sweep.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from models.search.space import Space

STARTUP = 4
"""Random draws after the defaults, before TPE has enough trials to learn from."""


def draw_seed(seed: int, family: str, draw: int) -> int:
    """Derive a distinct seed for every draw of every family.

    >>> draw_seed(0, "mlp", 1) == draw_seed(0, "mlp", 1), draw_seed(0, "mlp", 1) == draw_seed(0, "ziln", 1)
    (True, False)
    """
    digest = hashlib.md5(f"{seed}:{family}:{draw}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16)


def draw_parameters(space: Space, draw: int, seed: int, earlier: Sequence[FrozenTrial | None]) -> dict[str, Any]:
    """Draw hyperparameters of a family's `draw`-th trial, 1 or more; the objective is maximised.

    Args:
        space: the family's search space.
        draw: number of the draw; up to `STARTUP` it is random and depends on the seed alone.
        seed: seed of this draw.
        earlier: the family's trials of draws 0, 1, ...; running ones are avoided (constant liar). None: no trial.

    >>> from optuna.distributions import IntDistribution
    >>> drawn = draw_parameters({"depth": IntDistribution(6, 12)}, draw=1, seed=0, earlier=[])
    >>> 6 <= drawn["depth"] <= 12
    True
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
    """Make the callback that decides after each epoch of a family's next trial whether to stop it.

    Args:
        name: name of the comparison; Hyperband derives the bracket of each trial from it and the number of the draw.
        space: the family's search space.
        epochs: maximum epochs of a trial.
        earlier: the family's trials of draws 0, 1, ..., with their reported values. None: no trial.

    Returns:
        A function of the epoch (from 1) and its value (higher is better) that returns True to stop.

    >>> stops = hyperband("nightly", {}, epochs=8, earlier=[])
    >>> bool(stops(1, 0.3))
    False
    """
    study = _replayed(space, earlier, name=name, pruner=optuna.pruners.HyperbandPruner(max_resource=epochs))
    trial = study.ask()

    def stops(epoch: int, value: float) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return stops


def _replayed(space: Space, earlier: Sequence[FrozenTrial | None], **named: Any) -> optuna.Study:  # noqa: ANN401
    """Replay earlier draws, in order and with their numbers, in an in-memory study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", study_name=named.pop("name", None), **named)
    for past in earlier:
        params = past.params if past else {}
        known = {name: distribution for name, distribution in space.items() if name in params}
        study.enqueue_trial({name: params[name] for name in known})
        trial = study.ask(known)
        for epoch, value in past.intermediate_values.items() if past else ():
            trial.report(value, epoch)
            trial.should_prune()  # records the trial's progress
        if past is None or past.state == TrialState.FAIL:
            study.tell(trial, state=TrialState.FAIL)
        elif past.state in (TrialState.COMPLETE, TrialState.PRUNED):
            study.tell(trial, values=past.values if past.state == TrialState.COMPLETE else None, state=past.state)
    return study
