"""The embedded store: one SQLite file with a write-ahead log; every commit is synced to disk.

Single scores are read on the event loop: a look-up by key takes microseconds, less than handing it to a thread. Writes
and larger reads have a thread and a connection each.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TypeVar

from serving.stores import sqlite_tables as tables
from serving.stores.protocol import (
    ActiveState,
    Appended,
    LiveRow,
    SetAside,
    StoredScore,
    StoreUnavailableError,
    Waiting,
    conflicts,
    retained_generations,
)

T = TypeVar("T")


class SqliteStore:
    """See `serving.stores.protocol.Store`."""

    active: ActiveState | None = None

    def __init__(self, file: Path) -> None:
        self.file = file
        self._writing = ThreadPoolExecutor(1, "store-writer")
        self._reading = ThreadPoolExecutor(1, "store-reader")

    async def open(self) -> None:
        """See the protocol."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._writer = sqlite3.connect(self.file, check_same_thread=False, isolation_level=None)
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.executescript(tables.TABLES)
            tables.add_digests(self._writer)
            self._reader = sqlite3.connect(self.file, check_same_thread=False, isolation_level=None)
            self._look_up = sqlite3.connect(self.file, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreUnavailableError(
                f"The store {self.file} cannot be opened: {error}. Free disk space or restore the file. If "
                "you delete it, the service starts from the newest release and loses the events sent since."
            ) from error
        self.file.chmod(0o600)
        result = self._writer.execute("SELECT value FROM state").fetchone()
        self.active = ActiveState(**json.loads(result[0])) if result else None

    async def close(self) -> None:
        """See the protocol."""
        for executor in (self._writing, self._reading):
            executor.shutdown()
        for connection in (self._look_up, self._reader, self._writer):
            connection.close()

    async def score(self, user_id: str) -> StoredScore | None:
        """See the protocol."""
        if self.active is None:
            return None
        query = _select(self.active.generation) + " WHERE user_id = ?"
        try:
            result = self._look_up.execute(query, (user_id,)).fetchone()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        return StoredScore(result[1], result[2]) if result else None

    async def scores(self, user_ids: Sequence[str]) -> Mapping[str, StoredScore]:
        """See the protocol."""
        if self.active is None:
            return {}
        query = _select(self.active.generation) + " WHERE user_id IN (SELECT value FROM json_each(?))"  # noqa: S608  # a number
        result = await self._read(query, json.dumps(list(user_ids)))
        return {user_id: StoredScore(known_until, body) for user_id, known_until, body in result}

    async def append(self, rows: Sequence[LiveRow], sender: str) -> Appended:
        """See the protocol."""

        def insert(connection: sqlite3.Connection) -> Appended:
            known = [place for place, row in enumerate(rows) if not tables.insert(connection, row, sender)]
            if found := conflicts(rows, known, tables.stored(connection, [rows[place] for place in known])):
                connection.rollback()
                return Appended(0, found)
            ignored = set(known)
            new = [row for place, row in enumerate(rows) if place not in ignored]
            tables.wait(connection, dict.fromkeys(row.user_id for row in new))
            return Appended(len(new))

        return await self._write(insert)

    async def rows(self, since: date, user_ids: Sequence[str] | None = None) -> list[LiveRow]:
        """See the protocol."""
        query = "SELECT of_table, key, user_id, day, body FROM live_rows WHERE day >= ?"
        parameters = [since.isoformat()]
        if user_ids is not None:
            query += " AND user_id IN (SELECT value FROM json_each(?))"
            parameters.append(json.dumps(list(user_ids)))
        result = await self._read(query, *parameters)
        return [LiveRow(table, key, user, date.fromisoformat(day), body) for table, key, user, day, body in result]

    async def waiting(self, limit: int) -> list[Waiting]:
        """See the protocol."""
        others = "user_id NOT IN (SELECT user_id FROM set_aside)"
        query = f"SELECT user_id, ticket FROM waiting WHERE {others} ORDER BY ticket LIMIT ?"  # noqa: S608  # fixed words
        return [Waiting(*row) for row in await self._read(query, limit)]

    async def set_aside(self, user: SetAside) -> None:
        """See the protocol."""
        statement = "INSERT OR REPLACE INTO set_aside VALUES (?, ?)"
        await self._write(lambda connection: connection.execute(statement, user))

    async def aside(self) -> list[SetAside]:
        """See the protocol."""
        return [SetAside(*row) for row in await self._read("SELECT user_id, reason FROM set_aside ORDER BY user_id")]

    async def save_scores(self, generation: int, scores: Mapping[str, StoredScore], done: Sequence[Waiting]) -> None:
        """See the protocol."""

        def replace(connection: sqlite3.Connection) -> None:
            if self.active is None or self.active.generation != generation:
                return
            statement = f"INSERT OR REPLACE INTO scores_{generation:d} VALUES (?, ?, ?)"  # noqa: S608  # a number
            connection.executemany(statement, [(user_id, *score) for user_id, score in scores.items()])
            connection.executemany("DELETE FROM waiting WHERE user_id = ? AND ticket = ?", done)

        await self._write(replace)

    async def begin(self) -> int:
        """See the protocol."""

        def create(connection: sqlite3.Connection) -> int:
            number = connection.execute("INSERT INTO generations DEFAULT VALUES").lastrowid
            connection.execute(tables.GENERATION.format(number))
            return number or 0

        return await self._write(create)

    async def load(self, generation: int, scores: Sequence[tuple[str, StoredScore]]) -> None:
        """See the protocol."""
        statement = f"INSERT INTO scores_{generation:d} VALUES (?, ?, ?)"  # noqa: S608  # a number
        rows = [(user_id, *score) for user_id, score in scores]
        await self._write(lambda connection: connection.executemany(statement, rows))

    async def activate(self, state: ActiveState, since: date, drop_before: date) -> None:
        """See the protocol."""
        retained = retained_generations(state, self.active)

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM live_rows WHERE day < ?", (drop_before.isoformat(),))
            for number in tables.generations(connection) - retained:
                connection.execute(f"DROP TABLE scores_{number:d}")

        def switch(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (json.dumps(asdict(state)),))
            connection.execute("DELETE FROM set_aside")
            tables.requeue_since(connection, since)

        await self._write(delete)
        await self._write(switch)
        self.active = state

    async def requeue_since(self, since: date) -> None:
        """See the protocol."""
        await self._write(lambda connection: tables.requeue_since(connection, since))

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a transaction in the writer thread."""

        def transaction() -> T:
            self._writer.execute("BEGIN IMMEDIATE")
            with self._writer:
                return work(self._writer)

        return await self._run(self._writing, transaction)

    async def _read(self, query: str, *parameters: str | int) -> list[tuple]:
        def fetch() -> list[tuple]:
            with closing(self._reader.execute(query, parameters)) as cursor:
                return cursor.fetchall()

        return await self._run(self._reading, fetch)

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.Error) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"The store {self.file} cannot be read or written: {error}. Free disk space or restore the file."
        )


def _select(generation: int) -> str:
    return f"SELECT user_id, known_until, body FROM scores_{generation:d}"  # noqa: S608  # a number
