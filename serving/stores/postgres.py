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

from serving.stores.protocol import (
    ActiveState,
    LiveRow,
    SetAside,
    StoredScore,
    StoreUnavailableError,
    Waiting,
    retained_generations,
)

CONNECT_SECONDS = 5
TABLES = """
CREATE SCHEMA IF NOT EXISTS purse_serving;
CREATE SEQUENCE IF NOT EXISTS purse_serving.tickets;
CREATE SEQUENCE IF NOT EXISTS purse_serving.generations;
CREATE TABLE IF NOT EXISTS purse_serving.state (only_row int PRIMARY KEY CHECK (only_row = 1), value text NOT NULL);
CREATE TABLE IF NOT EXISTS purse_serving.live_rows (
    of_table text, key text, user_id text NOT NULL, day date NOT NULL, body bytea NOT NULL, PRIMARY KEY (of_table, key)
);
CREATE INDEX IF NOT EXISTS live_rows_of_user ON purse_serving.live_rows (user_id, day);
CREATE TABLE IF NOT EXISTS purse_serving.waiting (user_id text PRIMARY KEY, ticket bigint NOT NULL);
CREATE TABLE IF NOT EXISTS purse_serving.set_aside (user_id text PRIMARY KEY, reason text NOT NULL);
"""
GENERATION = "CREATE TABLE {} (user_id text PRIMARY KEY, known_until double precision NOT NULL, body bytea NOT NULL)"
INSERT = """
INSERT INTO purse_serving.live_rows SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::date[], %s::bytea[])
ON CONFLICT DO NOTHING RETURNING user_id
"""
WAIT = """
INSERT INTO purse_serving.waiting SELECT user_id, nextval('purse_serving.tickets') FROM ({}) AS users
ON CONFLICT (user_id) DO UPDATE SET ticket = excluded.ticket
"""
WAIT_FOR = WAIT.format("SELECT DISTINCT unnest(%s::text[]) AS user_id")
WAIT_SINCE = WAIT.format("SELECT DISTINCT user_id FROM purse_serving.live_rows WHERE day >= %s")
WAITING = """
SELECT user_id, ticket FROM purse_serving.waiting WHERE user_id NOT IN (SELECT user_id FROM purse_serving.set_aside)
ORDER BY ticket LIMIT %s
"""
SET_ASIDE = """
INSERT INTO purse_serving.set_aside VALUES (%s, %s) ON CONFLICT (user_id) DO UPDATE SET reason = excluded.reason
"""
ASIDE = 'SELECT user_id, reason FROM purse_serving.set_aside ORDER BY user_id COLLATE "C"'
DONE = """
DELETE FROM purse_serving.waiting USING unnest(%s::text[], %s::bigint[]) AS done(user_id, ticket)
WHERE waiting.user_id = done.user_id AND waiting.ticket = done.ticket
"""
SWITCH = """
INSERT INTO purse_serving.state VALUES (1, %s) ON CONFLICT (only_row) DO UPDATE SET value = excluded.value
"""
GENERATIONS = "SELECT tablename FROM pg_tables WHERE schemaname = 'purse_serving' AND tablename LIKE 'scores\\_%'"


class PostgresStore:
    """See `serving.stores.protocol.Store`."""

    active: ActiveState | None = None

    def __init__(self, url: str) -> None:
        self._reading, self._working = _Connection(url), _Connection(url)

    async def open(self) -> None:
        """See the protocol."""
        async with self._working.transaction() as connection:
            await connection.execute(TABLES)
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

    async def append(self, rows: Sequence[LiveRow]) -> int:
        """See the protocol."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        if not columns:
            return 0
        async with self._working.transaction() as connection:
            new = await (await connection.execute(INSERT, columns)).fetchall()
            await connection.execute(WAIT_FOR, [[user_id for (user_id,) in new]])
        return len(new)

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


def _scores(generation: int) -> str:
    return f"purse_serving.scores_{generation:d}"
