"""Protocol of the online store, which holds scores and the live rows that must not be lost.

Scores are grouped into *generations*, one per release. A generation is filled while inactive and activated in one step;
the previous one is retained for a rollback. *Live rows* arrived after the snapshot and are append-only. A user with new
live rows *waits* to be scored again. Only one service at a time uses a store.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

import orjson

from pipelines.errors import PurseError


class StoreUnavailableError(PurseError):
    """The store cannot be reached or does not work."""


class StoredScore(NamedTuple):
    """A user's score as JSON, and the shop's time up to which it counts every row, in seconds of `serving.clock`."""

    known_until: float
    body: bytes


class LiveRow(NamedTuple):
    """A row of `order_lines` or `events`: table, key as JSON, user, day, and the canonical columns as JSON."""

    table: str
    key: str
    user_id: str
    day: date
    body: bytes


class Conflict(NamedTuple):
    """A row whose key is stored with other content: its index, and who sent the stored one ("": not known)."""

    place: int
    sender: str


@dataclass(frozen=True)
class Appended:
    """Result of adding rows.

    Attributes:
        new: number of rows that were stored; the others were stored before with the same content.
        conflicts: rows that contradict a stored one, or an earlier one of the same call; then none was stored.
    """

    new: int
    conflicts: tuple[Conflict, ...] = ()


class Waiting(NamedTuple):
    """A user to score again; the ticket is a serial number given on arrival of the user's newest row."""

    user_id: str
    ticket: int


class SetAside(NamedTuple):
    """A user who is not scored again until the next release, because scoring them killed the engine process."""

    user_id: str
    reason: str


@dataclass(frozen=True)
class ActiveState:
    """The active generation and release, and the previous ones, to which a rollback returns.

    Attributes:
        generation: number of the active generation.
        release: name of the active release's folder.
        previous_generation: number of the previous generation; None: a rollback is not possible.
        previous_release: name of the previous release's folder.
        rolled_back: the release that a rollback deactivated; None: no rollback since the last deploy.
    """

    generation: int
    release: str
    previous_generation: int | None = None
    previous_release: str | None = None
    rolled_back: str | None = None


def retained_generations(state: ActiveState, replaced: ActiveState | None) -> set[int]:
    """Generations to retain when `state` replaces another active state, see `Store.activate`."""
    numbers = {state.generation, state.previous_generation, replaced.generation if replaced else None}
    return {number for number in numbers if number is not None}


def content_digest(body: bytes) -> str:
    """Digest of a row's values, whatever their order; a missing value and null are the same."""
    values = {name: value for name, value in orjson.loads(body).items() if value is not None}
    return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()


def conflicts(
    rows: Sequence[LiveRow], places: Iterable[int], stored: Mapping[tuple[str, str], tuple[str, str]]
) -> tuple[Conflict, ...]:
    """Find rows that contradict the stored ones.

    Args:
        rows: rows that were to be stored.
        places: indices of those whose keys were stored before.
        stored: digest and sender of the stored rows, by table and key.
    """
    found = []
    for place in places:
        digest, sender = stored[rows[place].table, rows[place].key]
        if digest != content_digest(rows[place].body):
            found.append(Conflict(place, sender))
    return tuple(found)


class Store(Protocol):
    """Operations of every store; each raises StoreUnavailableError when the database cannot be reached."""

    active: ActiveState | None
    """The active state, read by `open` and replaced by `activate`; None: no release is active."""

    async def open(self) -> None:
        """Connect, create missing tables, and add the digests that rows of earlier versions lack."""

    async def close(self) -> None:
        """Disconnect."""

    async def score(self, user_id: str) -> StoredScore | None:
        """Return a user's score in the active generation."""

    async def scores(self, user_ids: Sequence[str]) -> Mapping[str, StoredScore]:
        """Return the scores of many users, all of one generation; unknown users are absent."""

    async def append(self, rows: Sequence[LiveRow], sender: str) -> Appended:
        """Store rows with new keys and mark their users as waiting, all or none; both are durable on return.

        Rows with a known key are ignored if their content is the stored one. If it is not, no row is stored: of two
        calls at once with different content for a key, exactly one succeeds.

        Args:
            rows: rows to store.
            sender: who sent them; stored beside each row.
        """

    async def rows(self, since: date, user_ids: Sequence[str] | None = None) -> list[LiveRow]:
        """Return the live rows of these users, or of all users, from a day on."""

    async def waiting(self, limit: int) -> list[Waiting]:
        """Return up to `limit` waiting users, the longest waiting first, without those who are set aside."""

    async def set_aside(self, user: SetAside) -> None:
        """Exclude a user from the waiting ones until the next `activate`; the user's rows stay stored."""

    async def aside(self) -> list[SetAside]:
        """Return the users who are set aside, ordered by user_id."""

    async def save_scores(self, generation: int, scores: Mapping[str, StoredScore], done: Sequence[Waiting]) -> None:
        """Replace scores of a generation and end the waiting of `done`, except for users with newer rows.

        Does nothing if another generation has become active.
        """

    async def begin(self) -> int:
        """Create an empty generation and return its number."""

    async def load(self, generation: int, scores: Sequence[tuple[str, StoredScore]]) -> None:
        """Add scores to a generation that is not active yet."""

    async def activate(self, state: ActiveState, since: date, drop_before: date) -> None:
        """Activate a generation in one step; users with rows from `since` on wait again, and nobody is set aside.

        Before that, delete rows of days before `drop_before`, and all generations except those named by `state` and the
        one active until then, which requests may still be reading. A failure on the way leaves the active state as it
        was.
        """

    async def requeue_since(self, since: date) -> None:
        """Mark every user with rows from a day on as waiting."""
