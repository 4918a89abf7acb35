"""The store in Redis, which must sync every write to disk: `appendonly yes` and `appendfsync always`.

Keys, all with the prefix `purse:`: `state` (JSON), `scores:<generation>` (hash: user to time and JSON), `keys` (hash:
table and key of a row to its user), `rows:<user>` (hash: table and key to day and JSON), `days` (sorted set: user by
newest day), `waiting` (sorted set: user by ticket), `set_aside` (hash: user to reason), `ticket` and `generation`
(counters). Lua scripts make the updates atomic; they compute names of keys, which Redis Cluster does not allow.
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
    LiveRow,
    SetAside,
    StoredScore,
    StoreUnavailableError,
    Waiting,
    retained_generations,
)

STATE, KEYS, DAYS, WAITING = "purse:state", "purse:keys", "purse:days", "purse:waiting"
SET_ASIDE = "purse:set_aside"
TICKET, GENERATION = "purse:ticket", "purse:generation"
TIME = struct.Struct("<d")
DAY_LENGTH = 10
CHUNK = 1_000

# ARGV: five values per row: table and key, user, day, day as a number, JSON.
APPEND = """
local new, users = 0, {}
for i = 1, #ARGV, 5 do
  local field, user = ARGV[i], ARGV[i + 1]
  if redis.call('HSETNX', 'purse:keys', field, user) == 1 then
    redis.call('HSET', 'purse:rows:' .. user, field, ARGV[i + 2] .. ARGV[i + 4])
    redis.call('ZADD', 'purse:days', 'GT', ARGV[i + 3], user)
    redis.call('ZADD', 'purse:waiting', redis.call('INCR', 'purse:ticket'), user)
    new = new + 1
  end
end
return new
"""
# ARGV: generation, number of scores, user and value of each score, then user and ticket of each scored user.
KEEP = """
local state = redis.call('GET', 'purse:state')
if not state or cjson.decode(state).generation ~= tonumber(ARGV[1]) then return end
local scored = 2 + 2 * tonumber(ARGV[2])
for i = 3, scored, 2 do redis.call('HSET', 'purse:scores:' .. ARGV[1], ARGV[i], ARGV[i + 1]) end
for i = scored + 1, #ARGV, 2 do
  if redis.call('ZSCORE', 'purse:waiting', ARGV[i]) == ARGV[i + 1] then redis.call('ZREM', 'purse:waiting', ARGV[i]) end
end
"""
# ARGV: the first day as a number, and the state to activate; an empty text leaves the state as it is.
SWITCH = """
if ARGV[2] ~= '' then
  redis.call('SET', 'purse:state', ARGV[2])
  redis.call('DEL', 'purse:set_aside')
end
for _, user in ipairs(redis.call('ZRANGEBYSCORE', 'purse:days', ARGV[1], '+inf')) do
  redis.call('ZADD', 'purse:waiting', redis.call('INCR', 'purse:ticket'), user)
end
"""

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

    async def append(self, rows: Sequence[LiveRow]) -> int:
        """See the protocol."""
        arguments = [
            part
            for row in rows
            for part in (f"{row.table} {row.key}", row.user_id, row.day.isoformat(), row.day.toordinal(), row.body)
        ]
        return int(await self._append(args=arguments))

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
