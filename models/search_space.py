"""Where the sweep looks: hyperparameter ranges per family, and which trials it makes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Space = dict[str, BaseDistribution]

_BTYD_FEATURES = CategoricalDistribution(("none", "spend"))

_BOOSTING: Space = {
    "trees": IntDistribution(80, 240, step=40),
    "learning_rate": FloatDistribution(0.02, 0.08, log=True),
    "leaves": CategoricalDistribution((7, 15, 31)),
    "min_leaf": IntDistribution(50, 800, log=True),
    "columns": FloatDistribution(0.3, 0.8),
    "shrinkage": FloatDistribution(1.0, 100.0, log=True),
    "btyd_features": _BTYD_FEATURES,
}

_BUY_TILL_YOU_DIE: Space = {
    "penalty": FloatDistribution(1e-5, 1e-3, log=True),
    "covariates": CategoricalDistribution((False, True)),
}

_NETWORK: Space = {
    "units": CategoricalDistribution((32, 64, 96)),
    "layers": IntDistribution(1, 3),
    "dropout": FloatDistribution(0.0, 0.3),
    "learning_rate": FloatDistribution(5e-4, 5e-3, log=True),
    "weight_decay": FloatDistribution(1e-4, 1e-1, log=True),
}
_SEQUENCE_NETWORK: Space = _NETWORK | {
    "head": CategoricalDistribution(("two_part", "ziln")),
    "length": CategoricalDistribution((16, 32)),
}

SPACE: dict[str, Space] = {
    "mean": {},
    "previous_window": {},
    "history_rate": {},
    "linear_rfm": {},
    "ridge_rfm": {
        "alpha": FloatDistribution(1.0, 30_000.0, log=True),
        "log_scale": CategoricalDistribution((True, False)),
        "btyd_features": _BTYD_FEATURES,
    },
    "logistic": {
        "inverse_penalty": FloatDistribution(1e-3, 1.0, log=True),
        "alpha": FloatDistribution(1.0, 10_000.0, log=True),
        "btyd_features": _BTYD_FEATURES,
    },
    "svm": {
        "width": FloatDistribution(0.03, 1.0, log=True),
        "inverse_penalty": FloatDistribution(1e-2, 10.0, log=True),
        "btyd_features": _BTYD_FEATURES,
    },
    "bagging": {
        "depth": IntDistribution(6, 11),
        "min_leaf": IntDistribution(20, 200, log=True),
        "btyd_features": _BTYD_FEATURES,
    },
    "random_forest": {
        "depth": IntDistribution(6, 12),
        "min_leaf": IntDistribution(20, 200, log=True),
        "columns": FloatDistribution(0.2, 0.6),
        "btyd_features": _BTYD_FEATURES,
    },
    "gradient_boosting": _BOOSTING | {"loss": CategoricalDistribution(("gamma", "poisson"))},
    "lightgbm_tweedie": _BOOSTING | {"variance_power": FloatDistribution(1.2, 1.8)},
    "lightgbm_hurdle": _BOOSTING,
    "bg_nbd": _BUY_TILL_YOU_DIE,
    "pareto_nbd": _BUY_TILL_YOU_DIE,
    "mlp": {
        "units": CategoricalDistribution((32, 64, 96)),
        "layers": IntDistribution(1, 3),
        "dropout": FloatDistribution(0.0, 0.3),
        "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
        "weight_decay": FloatDistribution(1e-4, 1e-1, log=True),
    },
    "ziln": _NETWORK,
    "cnn": _SEQUENCE_NETWORK | {"filters": CategoricalDistribution((16, 32, 64)), "kernel": IntDistribution(2, 5)},
    "rnn": _SEQUENCE_NETWORK
    | {"memory": CategoricalDistribution((16, 32, 64)), "cell": CategoricalDistribution(("gru", "lstm"))},
    "cnn_lstm": _SEQUENCE_NETWORK
    | {"filters": CategoricalDistribution((16, 32, 64)), "memory": CategoricalDistribution((16, 32, 64))},
}


@dataclass(frozen=True)
class PlannedTrial:
    """One trial: the `draw`-th of its family; draw 0 is the defaults, without parameters."""

    family: str
    draw: int
    params: dict[str, Any]


def plan_trials(families: Sequence[str], trials: int, seed: int) -> list[PlannedTrial]:
    """Share trials evenly over families, in turn; the plan depends on nothing but the arguments.

    Every family gets its defaults first, even if `trials` is smaller than the number of families; one without
    hyperparameters gets no more than that. A family's draws are the same whatever the other families are.

    Raises:
        ValueError: an unknown family.
    """
    unknown = [family for family in families if family not in SPACE]
    if unknown:
        raise ValueError(f"Expected model families out of {', '.join(SPACE)}; found '{unknown[0]}'.")
    plan = [PlannedTrial(family, 0, {}) for family in families]
    draws = {family: _draws(family, seed) for family in families if SPACE[family]}
    draw = 0
    while draws and len(plan) < trials:
        draw += 1
        room = trials - len(plan)
        plan += [PlannedTrial(family, draw, next(params)) for family, params in list(draws.items())[:room]]
    return plan


def _draws(family: str, seed: int) -> Iterator[dict[str, Any]]:
    """Endless random parameters of a family."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    digest = hashlib.md5(f"{seed}:{family}".encode(), usedforsecurity=False).hexdigest()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(int(digest[:8], 16)))
    while True:
        yield study.ask(SPACE[family]).params
