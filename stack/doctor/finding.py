"""What a check finds."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A fault of a home.

    Attributes:
        check: name of the check.
        problem: the fault, with its place.
        command: shell command that removes it or shows more.
        fix: what `purse doctor --fix` does; None if a person has to decide.
    """

    check: str
    problem: str
    command: str
    fix: Callable[[], object] | None = None
