"""States that hands in MLflow can leave the champion in."""

from dataclasses import dataclass
from typing import Literal

from pipelines.errors import UnusableModel

State = Literal[
    "in_force",
    "moved_by_hand",
    "alias_removed",
    "run_deleted",
    "run_lost",
    "not_registered_here",
    "version_deleted",
    "model_deleted",
]
USABLE = ("in_force", "moved_by_hand", "run_deleted", "run_lost")
"""States in which the champion scores."""

INTACT = (*USABLE, "alias_removed")
"""States in which the champion's files are those that were registered."""


@dataclass(frozen=True)
class Champion:
    """The champion and its state.

    Attributes:
        version: version number, as the alias or this home's record says.
        state: one of `State`.
        problem: what is wrong, one clause without a full stop; empty for `in_force`.
    """

    version: str
    state: State
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether it scores."""
        return self.state in USABLE

    @property
    def intact(self) -> bool:
        """Whether its files are those that were registered."""
        return self.state in INTACT


class LostChampion(UnusableModel):
    """There was a champion, and it is gone or not this home's: scores stay as they are."""
