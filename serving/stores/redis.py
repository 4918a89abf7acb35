"""The store in Redis, which must sync every write to disk: `appendonly yes` and `appendfsync always`.

Keys, all with the prefix `purse:`: `state` (JSON), `scores:<generation>` (hash: user to time and JSON), `keys` (hash:
table and key of a row to its digest and sender), `rows:<user>` (hash: table and key to day and JSON), `days` (sorted
set: user by newest day), `waiting` (sorted set: user by ticket), `set_aside` (hash: user to reason), `ticket` and
`generation` (counters), `version` (of this layout). Lua scripts make the updates atomic; they compute names of keys,
which Redis Cluster does not allow.
"""

import json
import logging
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as NoAnswer

from pipelines.errors import PurseError
from serving.stores.protocol import (
    ActiveState,
    Appended,
    Conflict,
    LiveRow,
    SetAside,
    StoredScore,
    StoreUnavailableError,
    Waiting,
    content_digest,
    retained_generations,
)
from serving.stores.redis_scripts import APPEND, KEEP, SWITCH

STATE, KEYS, DAYS, WAITING = "purse:state", "purse:keys", "purse:days", "purse:waiting"
SET_ASIDE = "purse:set_aside"
TICKET, GENERATION, VERSION = "purse:ticket", "purse:generation", "purse:version"
WITH_DIGESTS = 2
TIME = struct.Struct("<d")
DAY_LENGTH = 10
CHUNK = 1_000

log = logging.getLogger(__name__)


class _AnsweringRedis(Redis):
    """A client whose commands raise StoreUnavailableError when the server does not answer."""

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # Redis's own signature
        try:
            return await super().execute_command(*arguments, **options)
        except (NoConnection, NoAnswer) as error:
            raise StoreUnavailableError(f"The store (Redis) does not answer: {error}.") from error


class RedisStore:
    """See `serving.stores.protocol.Store`."""

    active: ActiveState | None = None

    def __init__(self, url: str) -> None:
        self._redis = _AnsweringRedis.from_url(url, socket_timeout=30, retry=Retry(NoBackoff(), 1))
        self._append = self._redis.register_script(APPEND)
        self._keep = self._redis.register_script(KEEP)
        self._switch = self._redis.register_script(SWITCH)

    async def open(self) -> None:
        """See the protocol.

        Raises:
            PurseError: the server does not sync every write to disk.
        """
        await self._require_durability()
        await self._add_digests()
        result = await self._redis.get(STATE)
        self.active = ActiveState(**json.loads(result)) if result else None

    async def close(self) -> None:
        """See the protocol."""
        await self._redis.aclose()

    async def score(self, user_id: str) -> StoredScore | None:
        """See the protocol."""
        if self.active is None:
            return None
        return _unpacked(await self._redis.hget(_scores(self.active.generation), user_id))

    async def scores(self, user_ids: Sequence[str]) -> Mapping[str, StoredScore]:
        """See the protocol."""
        if self.active is None or not user_ids:
            return {}
        result = await self._redis.hmget(_scores(self.active.generation), list(user_ids))
        unpacked = zip(user_ids, map(_unpacked, result), strict=True)
        return {user_id: score for user_id, score in unpacked if score is not None}

    async def append(self, rows: Sequence[LiveRow], sender: str) -> Appended:
        """See the protocol."""
        values = [
            part
            for row in rows
            for part in (
                *(f"{row.table} {row.key}", row.user_id, row.day.isoformat(), row.day.toordinal()),
                *(row.body, content_digest(row.body)),
            )
        ]
        new, *found = await self._append(args=[sender, *values])
        pairs = zip(found[::2], found[1::2], strict=True)
        return Appended(int(new), tuple(Conflict(int(place), who.decode()) for place, who in pairs))

    async def rows(self, since: date, user_ids: Sequence[str] | None = None) -> list[LiveRow]:
        """See the protocol."""
        if user_ids is None:
            result = await self._redis.zrangebyscore(DAYS, since.toordinal(), "+inf")
            user_ids = [user.decode() for user in result]
        rows = []
        for start in range(0, len(user_ids), CHUNK):
            some = user_ids[start : start + CHUNK]
            pipeline = self._redis.pipeline(transaction=False)
            for user_id in some:
                pipeline.hgetall(_rows(user_id))
            for user_id, fields in zip(some, await self._run(pipeline), strict=True):
                rows += [_row(user_id, field, value) for field, value in fields.items()]
        return [row for row in rows if row.day >= since]

    async def waiting(self, limit: int) -> list[Waiting]:
        """See the protocol."""
        aside = {user.encode() for user, _ in await self.aside()}
        result = await self._redis.zrange(WAITING, 0, limit + len(aside) - 1, withscores=True)
        return [Waiting(user.decode(), int(ticket)) for user, ticket in result if user not in aside][:limit]

    async def set_aside(self, user: SetAside) -> None:
        """See the protocol."""
        await self._redis.hset(SET_ASIDE, user.user_id, user.reason)

    async def aside(self) -> list[SetAside]:
        """See the protocol."""
        result = await self._redis.hgetall(SET_ASIDE)
        return sorted(SetAside(user.decode(), reason.decode()) for user, reason in result.items())

    async def save_scores(self, generation: int, scores: Mapping[str, StoredScore], done: Sequence[Waiting]) -> None:
        """See the protocol."""
        packed = [part for user_id, score in scores.items() for part in (user_id, _packed(score))]
        await self._keep(args=[generation, len(scores), *packed, *(part for waiting in done for part in waiting)])

    async def begin(self) -> int:
        """See the protocol."""
        return int(await self._redis.incr(GENERATION))

    async def load(self, generation: int, scores: Sequence[tuple[str, StoredScore]]) -> None:
        """See the protocol."""
        if scores:
            await self._redis.hset(_scores(generation), mapping={user: _packed(score) for user, score in scores})

    async def activate(self, state: ActiveState, since: date, drop_before: date) -> None:
        """See the protocol."""
        retained = {_scores(generation) for generation in retained_generations(state, self.active)}
        unused = [key async for key in self._redis.scan_iter(_scores("*")) if key.decode() not in retained]
        if unused:
            await self._redis.unlink(*unused)
        await self._drop(drop_before)
        await self._switch(args=[since.toordinal(), json.dumps(asdict(state))])
        self.active = state

    async def requeue_since(self, since: date) -> None:
        """See the protocol."""
        await self._switch(args=[since.toordinal(), ""])

    async def _drop(self, before: date) -> None:
        """Delete the rows of earlier days, user by user: no request reads them any more."""
        async for user, _ in self._redis.zscan_iter(DAYS):
            name = _rows(user.decode())
            rows = await self._redis.hgetall(name)
            old = [field for field, value in rows.items() if value[:DAY_LENGTH].decode() < before.isoformat()]
            if old:
                await self._run(self._redis.pipeline().hdel(name, *old).hdel(KEYS, *old))
        await self._redis.zremrangebyscore(DAYS, "-inf", f"({before.toordinal()}")

    async def _add_digests(self) -> None:
        """Add digests to the rows of an earlier version; after a crash on the way the next start does it again."""
        if int(await self._redis.get(VERSION) or 1) >= WITH_DIGESTS:
            return
        async for user, _ in self._redis.zscan_iter(DAYS):
            rows = await self._redis.hgetall(_rows(user.decode()))
            made = {field: content_digest(value[DAY_LENGTH:]) for field, value in rows.items()}
            if made:
                await self._redis.hset(KEYS, mapping=made)
        await self._redis.set(VERSION, WITH_DIGESTS)

    async def _require_durability(self) -> None:
        try:
            config = await self._redis.config_get("append*")
        except ResponseError:  # managed servers often refuse CONFIG
            log.warning(
                "Redis refuses to show its configuration. Check that it has appendonly yes and appendfsync always."
            )
            return
        if (config.get("appendonly"), config.get("appendfsync")) != ("yes", "always"):
            raise PurseError(
                "Expected a Redis with appendonly yes and appendfsync always, found appendonly "
                f"{config.get('appendonly')} and appendfsync {config.get('appendfsync')}: a crash would lose accepted "
                "events. Start it with --appendonly yes --appendfsync always."
            )

    async def _run(self, pipeline: Any) -> list[Any]:  # noqa: ANN401  # Redis is untyped here
        try:
            return list(await pipeline.execute())
        except (NoConnection, NoAnswer) as error:
            raise StoreUnavailableError(f"The store (Redis) does not answer: {error}.") from error


def _scores(generation: int | str) -> str:
    return f"purse:scores:{generation}"


def _rows(user_id: str) -> str:
    return f"purse:rows:{user_id}"


def _packed(score: StoredScore) -> bytes:
    return TIME.pack(score.known_until) + score.body


def _unpacked(value: bytes | None) -> StoredScore | None:
    return None if value is None else StoredScore(TIME.unpack_from(value)[0], value[TIME.size :])


def _row(user_id: str, field: bytes, value: bytes) -> LiveRow:
    table, _, key = field.decode().partition(" ")
    return LiveRow(table, key, user_id, date.fromisoformat(value[:DAY_LENGTH].decode()), value[DAY_LENGTH:])
