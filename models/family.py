"""The declaration of a model family, with ranges of its hyperparameters; `models.catalog` lists all families.

Nothing here needs Optuna, so that reading the catalog costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Integer:
    """Integers from `low` to `high`, both included.

    >>> Integer(80, 240, step=20).step
    20
    """

    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True)
class Real:
    """Real numbers from `low` to `high`, uniform on the log scale if `log`.

    >>> Real(1e-3, 1.0, log=True).log
    True
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values.

    >>> Choice("gru", "lstm").values
    ('gru', 'lstm')
    """

    values: tuple[str | int | bool, ...]

    def __init__(self, *values: str | int | bool) -> None:
        object.__setattr__(self, "values", values)


Ranges = Mapping[str, Integer | Real | Choice]
"""Ranges by hyperparameter; the order fixes what a seed draws."""


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        title: name for people.
        builder: `module:name` of the callable that makes an unfitted model from hyperparameters.
        needs: further arguments of the builder, out of seed, threads and horizon_days.
        fixed: arguments that distinguish families with a common builder.
        space: ranges of the hyperparameters in a sweep; empty: only the defaults are tried.
        btyd_features: default of the hyperparameter `btyd_features`: "none" or a name in
            `models.btyd.features.COLUMNS`; None: no such hyperparameter. benchmarks/btyd.md gives the reasons.
        is_baseline: measured beside every candidate.
        columns: features of a baseline that ranks users by the first of them without learning from labels; such a
            baseline can be champion.
        is_network: trained on the queue for networks.
        reads_sequences: `fit` needs the columns of `features.sequences`.

    >>> Family("mean of the training set", "models.families.baselines:Mean").needs
    ()
    """

    title: str
    builder: str
    needs: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    space: Ranges = field(default_factory=dict)
    btyd_features: str | None = None
    is_baseline: bool = False
    columns: tuple[str, ...] = ()
    is_network: bool = False
    reads_sequences: bool = False
