"""The online store: the scores that the service answers with, and what it must not lose, through one protocol.

Scores lie in *generations*, one for each release: a generation is filled unseen and takes effect at once, and
the one before it is kept for a rollback. *Live rows* are what happened since, append-only; whoever has new ones *waits*
to be scored again. One service uses a store at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

from pipelines.errors import PurseError


class StoreUnavailableError(PurseError):
    """The store does not answer."""


class StoredScore(NamedTuple):
    """A user's score: the shop's time up to which it knows everything, as `serving.clock` counts, and its JSON."""

    known_until: float
    body: bytes


class LiveRow(NamedTuple):
    """A row of `order_lines` or `events`: its key as JSON, whose it is, its day, and its canonical columns as JSON."""

    table: str
    key: str
    user_id: str
    day: date
    body: bytes


class Waiting(NamedTuple):
    """A user to score again; the ticket is the number of the newest row's arrival."""

    user_id: str
    ticket: int


class SetAside(NamedTuple):
    """A user who is not scored again until the next release, because scoring them ended the engine's process."""

    user_id: str
    reason: str


@dataclass(frozen=True)
class InForce:
    """Which generation answers, of which release, and what a rollback goes back to.

    Attributes:
        generation: number of the generation that answers.
        release: name of its release's folder.
        previous_generation: the one before it; None: there is none to go back to.
        previous_release: name of its release's folder.
        rolled_back: the release that a rollback took out of force; None: there was no rollback since the last deploy.
    """

    generation: int
    release: str
    previous_generation: int | None = None
    previous_release: str | None = None
    rolled_back: str | None = None


def named(state: InForce, until_then: InForce | None) -> set[int]:
    """The generations that are kept when a state comes into force, see `Store.activate`."""
    known = {state.generation, state.previous_generation, until_then.generation if until_then else None}
    return {generation for generation in known if generation is not None}


class Store(Protocol):
    """What every kind of store does; each method raises StoreUnavailableError when its server does not answer."""

    in_force: InForce | None
    """As of `open`, and of every `activate` since."""

    async def open(self) -> None:
        """Connect, and make what is missing."""

    async def close(self) -> None:
        """Disconnect."""

    async def score(self, user_id: str) -> StoredScore | None:
        """A user's score in the generation in force."""

    async def scores(self, user_ids: Sequence[str]) -> Mapping[str, StoredScore]:
        """The scores of many users, all of one generation; unknown users are absent."""

    async def append(self, rows: Sequence[LiveRow]) -> int:
        """Keep the rows whose keys are new and let their users wait; both are durable on return.

        Returns:
            How many were new.
        """

    async def rows(self, since: date, user_ids: Sequence[str] | None = None) -> list[LiveRow]:
        """The live rows of these users, or of all, from a day on."""

    async def waiting(self, limit: int) -> list[Waiting]:
        """Users who wait, longest first, without those who are set aside."""

    async def set_aside(self, user: SetAside) -> None:
        """Let a user wait no longer, until the next `activate`; the rows stay stored."""

    async def aside(self) -> list[SetAside]:
        """Users who are set aside, by user_id."""

    async def keep(self, generation: int, scores: Mapping[str, StoredScore], done: Sequence[Waiting]) -> None:
        """Replace scores of a generation and end the waiting, except of users with newer rows.

        Nothing happens if another generation is in force by now.
        """

    async def begin(self) -> int:
        """The number of a new, empty generation."""

    async def load(self, generation: int, scores: Sequence[tuple[str, StoredScore]]) -> None:
        """Add scores to a generation that is not in force yet."""

    async def activate(self, state: InForce, since: date, drop_before: date) -> None:
        """Make a generation active, at once and last of all.

        Users with rows from `since` on wait, and nobody is set aside any more.

        What nobody needs any more goes before that, so that a failure leaves everything in force as it was: rows of
        days before `drop_before`, and generations other than those that the state names and the one in force until
        then, which whoever began to read reads to the end.
        """

    async def wait_since(self, since: date) -> None:
        """Let every user with rows from a day on wait."""
