"""Search spaces of the sweep in Optuna's terms, and the number of trials per family."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from models.catalog import FAMILIES
from models.family import Choice, Integer, Real

Space = dict[str, BaseDistribution]
"""Distributions by hyperparameter."""


def distribution(declared: Integer | Real | Choice) -> BaseDistribution:
    """Convert a declared range to Optuna's distribution.

    >>> distribution(Integer(80, 240, step=20))
    IntDistribution(high=240, log=False, low=80, step=20)
    """
    if isinstance(declared, Integer):
        return IntDistribution(declared.low, declared.high, log=declared.log, step=declared.step)
    if isinstance(declared, Real):
        return FloatDistribution(declared.low, declared.high, log=declared.log)
    return CategoricalDistribution(declared.values)


SPACE: dict[str, Space] = {
    name: {parameter: distribution(declared) for parameter, declared in family.space.items()}
    for name, family in FAMILIES.items()
}
"""Search space of each family in `models.catalog.FAMILIES`."""


@dataclass(frozen=True)
class Slot:
    """A place for one trial: the `draw`-th of its family; draw 0 is the defaults.

    >>> Slot("mlp", draw=0)
    Slot(family='mlp', draw=0)
    """

    family: str
    draw: int


def plan_slots(families: Sequence[str], trials: int) -> list[Slot]:
    """Share trials evenly over families, in turn; hyperparameters are drawn when a slot is claimed.

    Every family gets its defaults first, even if `trials` is smaller than the number of families. A family without
    hyperparameters gets nothing more.

    Raises:
        ValueError: an unknown family.

    >>> [(slot.family, slot.draw) for slot in plan_slots(["mean", "mlp", "svm"], trials=5)]
    [('mean', 0), ('mlp', 0), ('svm', 0), ('mlp', 1), ('svm', 1)]
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
    """Name a family's hyperparameters `family.name`, as in a study of many families with common names.

    >>> sorted(family_space("bg_nbd"))
    ['bg_nbd.covariates', 'bg_nbd.penalty']
    """
    return {f"{family}.{name}": distribution for name, distribution in SPACE[family].items()}
