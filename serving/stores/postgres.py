"""The store in Postgres, in the schema `purse_serving`; commits are durable unless `synchronous_commit` is off.

One connection reads scores and another does everything else: a look-up never waits while a release is loaded.
Both reconnect after a restart of the server.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import date

import psycopg

from serving.stores.postgres_queries import (
    ADD_DIGESTS,
    ASIDE,
    DONE,
    GENERATION,
    GENERATIONS,
    INSERT,
    SET_ASIDE,
    STORED,
    SWITCH,
    TABLES,
    WAIT_FOR,
    WAIT_SINCE,
    WAITING,
    WITHOUT_DIGEST,
)
from serving.stores.protocol import (
    ActiveState,
    Appended,
    Conflict,
    LiveRow,
    SetAside,
    StoredScore,
    StoreUnavailableError,
    Waiting,
    conflicts,
    content_digest,
    retained_generations,
)

CONNECT_SECONDS = 5


class PostgresStore:
    """See `serving.stores.protocol.Store`."""

    active: ActiveState | None = None

    def __init__(self, url: str) -> None:
        self._reading, self._working = _Connection(url), _Connection(url)

    async def open(self) -> None:
        """See the protocol."""
        async with self._working.transaction() as connection:
            await connection.execute(TABLES)
            await _add_digests(connection)
            result = await (await connection.execute("SELECT value FROM purse_serving.state")).fetchone()
        self.active = ActiveState(**json.loads(result[0])) if result else None

    async def close(self) -> None:
        """See the protocol."""
        for each in (self._reading, self._working):
            await each.close()

    async def score(self, user_id: str) -> StoredScore | None:
        """See the protocol."""
        return (await self.scores([user_id])).get(user_id)

    async def scores(self, user_ids: Sequence[str]) -> Mapping[str, StoredScore]:
        """See the protocol."""
        if self.active is None:
            return {}
        table = _scores(self.active.generation)
        query = f"SELECT user_id, known_until, body FROM {table} WHERE user_id = ANY(%s)"  # noqa: S608  # a number
        async with self._reading.statement() as connection:
            result = await (await connection.execute(query, [list(user_ids)], binary=True)).fetchall()
        return {user_id: StoredScore(known_until, body) for user_id, known_until, body in result}

    async def append(self, rows: Sequence[LiveRow], sender: str) -> Appended:
        """See the protocol."""
        if not rows:
            return Appended(0)
        columns: list[list[object]] = [list(column) for column in zip(*rows, strict=True)]
        columns += [[content_digest(row.body) for row in rows], [sender] * len(rows)]
        found: tuple[Conflict, ...] = ()
        new: list[tuple[str]] = []
        async with self._working.transaction() as connection:
            new = await (await connection.execute(INSERT, columns)).fetchall()
            if len(new) < len(rows):
                stored = await (await connection.execute(STORED, columns[:2])).fetchall()
                found = conflicts(rows, range(len(rows)), {(table, key): (*rest,) for table, key, *rest in stored})
            if found:
                raise psycopg.Rollback
            await connection.execute(WAIT_FOR, [[user_id for (user_id,) in new]])
        return Appended(0 if found else len(new), found)

    async def rows(self, since: date, user_ids: Sequence[str] | None = None) -> list[LiveRow]:
        """See the protocol."""
        query = "SELECT of_table, key, user_id, day, body FROM purse_serving.live_rows WHERE day >= %s"
        parameters: list[object] = [since]
        if user_ids is not None:
            query += " AND user_id = ANY(%s)"
            parameters.append(list(user_ids))
        async with self._working.transaction() as connection:
            result = await (await connection.execute(query, parameters, binary=True)).fetchall()
        return [LiveRow(*row) for row in result]

    async def waiting(self, limit: int) -> list[Waiting]:
        """See the protocol."""
        async with self._working.transaction() as connection:
            return [Waiting(*row) for row in await (await connection.execute(WAITING, [limit])).fetchall()]

    async def set_aside(self, user: SetAside) -> None:
        """See the protocol."""
        async with self._working.transaction() as connection:
            await connection.execute(SET_ASIDE, user)

    async def aside(self) -> list[SetAside]:
        """See the protocol."""
        async with self._working.transaction() as connection:
            return [SetAside(*row) for row in await (await connection.execute(ASIDE)).fetchall()]

    async def save_scores(self, generation: int, scores: Mapping[str, StoredScore], done: Sequence[Waiting]) -> None:
        """See the protocol."""
        replace = (
            f"INSERT INTO {_scores(generation)} VALUES (%s, %s, %s) ON CONFLICT (user_id) "  # noqa: S608  # a number
            "DO UPDATE SET known_until = excluded.known_until, body = excluded.body"
        )
        async with self._working.transaction() as connection, connection.cursor() as cursor:
            if self.active is None or self.active.generation != generation:
                return
            await cursor.executemany(replace, [(user_id, *score) for user_id, score in scores.items()])
            await cursor.execute(DONE, [[user.user_id for user in done], [user.ticket for user in done]])

    async def begin(self) -> int:
        """See the protocol."""
        async with self._working.transaction() as connection:
            result = await (await connection.execute("SELECT nextval('purse_serving.generations')")).fetchone()
            number = int(result[0])
            await connection.execute(GENERATION.format(_scores(number)))
        return number

    async def load(self, generation: int, scores: Sequence[tuple[str, StoredScore]]) -> None:
        """See the protocol."""
        copy = f"COPY {_scores(generation)} FROM STDIN WITH (FORMAT binary)"
        async with self._working.transaction() as connection, connection.cursor() as cursor, cursor.copy(copy) as rows:
            rows.set_types(["text", "float8", "bytea"])
            for user_id, score in scores:
                await rows.write_row((user_id, *score))

    async def activate(self, state: ActiveState, since: date, drop_before: date) -> None:
        """See the protocol."""
        retained = {_scores(generation) for generation in retained_generations(state, self.active)}
        async with self._working.transaction() as connection:
            await connection.execute("DELETE FROM purse_serving.live_rows WHERE day < %s", [drop_before])
            for (name,) in await (await connection.execute(GENERATIONS)).fetchall():
                if f"purse_serving.{name}" not in retained:
                    await connection.execute(f"DROP TABLE purse_serving.{name}")
        async with self._working.transaction() as connection:
            await connection.execute(SWITCH, [json.dumps(asdict(state))])
            await connection.execute("DELETE FROM purse_serving.set_aside")
            await connection.execute(WAIT_SINCE, [since])
        self.active = state

    async def requeue_since(self, since: date) -> None:
        """See the protocol."""
        async with self._working.transaction() as connection:
            await connection.execute(WAIT_SINCE, [since])


class _Connection:
    """A connection opened on first use and reopened after a failure; one transaction at a time."""

    def __init__(self, url: str) -> None:
        self._url, self._lock = url, asyncio.Lock()
        self._connection: psycopg.AsyncConnection | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection]:
        async with self.statement() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Yield the connection for a single statement, which is a transaction of its own."""
        async with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._url, autocommit=True, connect_timeout=CONNECT_SECONDS
                    )
                yield self._connection
            except psycopg.OperationalError as error:
                raise StoreUnavailableError(f"The store (Postgres) does not answer: {error}") from error

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


async def _add_digests(connection: psycopg.AsyncConnection) -> None:
    """Add digests to rows of an earlier version."""
    while rows := await (await connection.execute(WITHOUT_DIGEST, binary=True)).fetchall():
        made = [(table, key, content_digest(body)) for table, key, body in rows]
        await connection.execute(ADD_DIGESTS, [list(column) for column in zip(*made, strict=True)])


def _scores(generation: int) -> str:
    return f"purse_serving.scores_{generation:d}"
