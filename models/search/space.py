"""Where the sweep looks: hyperparameter ranges per family, and how many trials each gets."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Space = dict[str, BaseDistribution]

_BTYD_FEATURES = CategoricalDistribution(("none", "spend"))

_BOOSTING: Space = {
    "trees": IntDistribution(80, 240, step=20),
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
class Slot:
    """A place for one trial: the `draw`-th of its family; draw 0 is the defaults."""

    family: str
    draw: int


def plan_slots(families: Sequence[str], trials: int) -> list[Slot]:
    """Share trials evenly over families, in turn; what is tried in a slot is decided when it is taken.

    Every family gets its defaults first, even if `trials` is smaller than the number of families; one without
    hyperparameters gets no more than that.

    Raises:
        ValueError: an unknown family.
    """
    unknown = [family for family in families if family not in SPACE]
    if unknown:
        raise ValueError(f"Expected model families out of {', '.join(SPACE)}; found '{unknown[0]}'.")
    slots = [Slot(family, 0) for family in families]
    adjustable = [family for family in families if SPACE[family]]
    draw = 0
    while adjustable and len(slots) < trials:
        draw += 1
        slots += [Slot(family, draw) for family in adjustable[: trials - len(slots)]]
    return slots


def family_space(family: str) -> Space:
    """A family's hyperparameters as a study of many families names them: `family.name`, since families share names."""
    return {f"{family}.{name}": distribution for name, distribution in SPACE[family].items()}
