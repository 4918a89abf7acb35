"""One suite for every kind of store, against the real servers."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg
import pytest
import redis

from pipelines.errors import PurseError
from serving.stores.open import open_store
from serving.stores.protocol import (
    ActiveState,
    Appended,
    Conflict,
    LiveRow,
    SetAside,
    Store,
    StoredScore,
    StoreUnavailableError,
)
from tests.serving.servers import postgres_server, redis_server

DAY, NEXT = date(2001, 3, 1), date(2001, 3, 2)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server(*DURABLE) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def address(request: pytest.FixtureRequest) -> str | None:
    """Of an empty store."""
    if request.param == "sqlite":
        return None
    url = request.getfixturevalue(f"{request.param}_url")
    if request.param == "redis":
        redis.Redis.from_url(url).flushall()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS purse_serving CASCADE")
    return url


@pytest.fixture
def use(address, tmp_path):
    """Runs a coroutine on a store that was opened anew: what it finds has lasted."""

    def run(work):
        async def opened():
            store = open_store(address, tmp_path)
            await store.open()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(opened())

    return run


def row(key: str, user_id: str = "ann", day: date = DAY, body: bytes = b"{}", table: str = "events") -> LiveRow:
    return LiveRow(table, f'["{key}"]', user_id, day, body)


def score(text: str, known_until: float = 1.5) -> StoredScore:
    return StoredScore(known_until, text.encode())


async def released(store: Store, name: str, **scores: str) -> ActiveState:
    """Activate a release as `serving.service.deploy` does."""
    generation, before = await store.begin(), store.active
    await store.load(generation, [(user_id, score(text)) for user_id, text in scores.items()])
    state = ActiveState(generation, name, *((before.generation, before.release) if before else ()))
    await store.activate(state, since=DAY, drop_before=DAY)
    return state


def test_an_empty_store_knows_nobody(use):
    async def work(store):
        assert store.active is None
        assert await store.score("ann") is None
        assert await store.scores(["ann"]) == {}
        assert await store.waiting(10) == []
        assert await store.rows(DAY) == []
        assert await store.append([], "key a") == Appended(0)

    use(work)


def test_scores_are_those_of_the_generation_in_force_and_last(use):
    async def work(store):
        await released(store, "1", ann="one", bob="one")
        unseen = await store.begin()
        await store.load(unseen, [("ann", score("unseen"))])
        assert await store.score("ann") == score("one")
        await released(store, "2", ann="two")

    async def later(store):
        assert store.active.release == "2"
        assert store.active.previous_release == "1"
        assert await store.score("ann") == score("two")
        assert await store.score("bob") is None
        assert await store.scores(["bob", "ann", "ann"]) == {"ann": score("two")}

    use(work)
    use(later)


def test_the_generation_before_can_come_back_and_the_one_before_that_is_gone(use):
    async def work(store):
        first = await released(store, "1", ann="one")
        second = await released(store, "2", ann="two")
        back = ActiveState(first.generation, "1", rolled_back="2")
        await store.activate(back, DAY, DAY)
        assert await store.score("ann") == score("one")
        assert store.active == back
        third = await store.begin()
        assert third not in (first.generation, second.generation)

    use(work)


def test_a_row_is_kept_once_by_its_key_whoever_sends_it_again(use):
    async def work(store):
        assert await store.append(
            [row("a", body=b'{"n":1}'), row("b"), row("a", table="order_lines")], "key a"
        ) == Appended(3)
        assert await store.append([row("a", body=b'{"n": 1}'), row("c"), row("c")], "key b") == Appended(1)
        assert [waiting.user_id for waiting in await store.waiting(10)] == ["ann"]

    async def later(store):
        found = await store.rows(DAY, ["ann", "bob"])
        assert sorted(found) == sorted([row("a", body=b'{"n":1}'), row("b"), row("a", table="order_lines"), row("c")])

    use(work)
    use(later)


def test_a_known_key_with_other_content_stores_nothing(use):
    one, other = row("a", body=b'{"n":1}'), row("a", "bob", body=b'{"n":2}')

    async def work(store):
        await store.append([one], "key a")
        await store.save_scores(0, {}, await store.waiting(10))
        before = await store.waiting(10)
        refused = await store.append([row("new", "cat"), other, one, row("a", table="order_lines")], "key b")
        assert refused == Appended(0, (Conflict(1, "key a"),))
        assert await store.append([row("b", body=b'{"n":1}'), row("b", body=b'{"n":2}')], "key b") == Appended(
            0, (Conflict(1, "key b"),)
        )
        assert await store.waiting(10) == before
        assert await store.append([row("b", body=b'{"n":2}')], "key b") == Appended(1)

    async def later(store):
        assert {found.body for found in await store.rows(DAY)} == {b'{"n":1}', b'{"n":2}'}
        assert await store.append([other], "key c") == Appended(0, (Conflict(0, "key a"),))

    use(work)
    use(later)


def test_the_order_of_values_and_missing_ones_are_no_other_content(use):
    async def work(store):
        await store.append([row("a", body=b'{"n":1,"m":"\xc3\xa9","k":null}')], "key a")
        assert await store.append([row("a", body=b'{"m":"\\u00e9","n":1}')], "key a") == Appended(0)

    use(work)


def test_of_two_contents_at_once_exactly_one_is_stored(use):
    async def work(store):
        bodies = [b'{"n":%d}' % number for number in range(8)]
        results = await asyncio.gather(*(store.append([row("a", body=body)], "key a") for body in bodies))
        assert sorted(result.new for result in results) == [0] * 7 + [1]
        assert sum(len(result.conflicts) for result in results) == 7
        (kept,) = await store.rows(DAY)
        assert kept.body == bodies[[result.new for result in results].index(1)]

    use(work)


def test_of_two_connections_at_once_exactly_one_stores(address, tmp_path):
    """Two services on one store are not supported; contradicting rows are refused even then."""

    async def work():
        stores = [open_store(address, tmp_path) for _ in range(2)]
        for store in stores:
            await store.open()
        for number in range(20):
            posted = [[row(f"{number}", body=b'{"n":%d}' % place)] for place in range(2)]
            results = await asyncio.gather(*(s.append(rows, "k") for s, rows in zip(stores, posted, strict=True)))
            assert sorted((result.new, len(result.conflicts)) for result in results) == [(0, 1), (1, 0)]
        for store in stores:
            await store.close()

    asyncio.run(work())


def test_rows_of_an_earlier_version_get_their_digests(use, address, tmp_path):
    """The tables as they were before rows had a digest."""
    old = [row("a", body=b'{"n":1}'), row("b", "bob", NEXT, b'{"n":2,"k":null}')]
    _write_as_before(address, tmp_path, old)

    async def work(store):
        assert sorted(await store.rows(DAY)) == sorted(old)
        assert await store.append([row("a", body=b'{"n":2}')], "key b") == Appended(0, (Conflict(0, ""),))
        assert await store.append([old[0], row("b", "bob", NEXT, b'{"n":2}')], "key b") == Appended(0)
        assert await store.append([row("c")], "key b") == Appended(1)

    use(work)
    use(lambda store: store.append(old, "key b"))


def _write_as_before(address: str | None, folder: Path, rows: list[LiveRow]) -> None:
    values = [(one.table, one.key, one.user_id, one.day.isoformat(), one.body) for one in rows]
    columns = "of_table text, key text, user_id text NOT NULL, day {} NOT NULL, body {} NOT NULL"
    create = f"CREATE TABLE {{}}live_rows ({columns}, PRIMARY KEY (of_table, key))"
    if address is None:
        with closing(sqlite3.connect(folder / "store.db")) as connection, connection:
            connection.execute(create.format("", "TEXT", "BLOB") + " WITHOUT ROWID")
            connection.executemany("INSERT INTO live_rows VALUES (?, ?, ?, ?, ?)", values)
    elif address.startswith("redis"):
        client = redis.Redis.from_url(address)
        for one in rows:
            field = f"{one.table} {one.key}"
            client.hset("purse:keys", field, one.user_id)
            client.hset(f"purse:rows:{one.user_id}", field, one.day.isoformat().encode() + one.body)
            client.zadd("purse:days", {one.user_id: one.day.toordinal()})
    else:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA purse_serving")
            connection.execute(create.format("purse_serving.", "date", "bytea"))
            connection.cursor().executemany("INSERT INTO purse_serving.live_rows VALUES (%s, %s, %s, %s, %s)", values)


def test_rows_are_read_by_user_and_from_a_day_on_in_any_order_of_arrival(use):
    async def work(store):
        await store.append([row("late", day=NEXT), row("early", day=DAY), row("other", "bob", NEXT)], "key a")
        assert [one.key for one in await store.rows(NEXT, ["ann"])] == ['["late"]']
        assert len(await store.rows(DAY, ["ann"])) == 2
        assert len(await store.rows(DAY)) == 3
        assert await store.rows(DAY, ["nobody"]) == []
        assert await store.rows(DAY, []) == []

    use(work)


def test_who_has_new_rows_waits_until_scored_and_longest_comes_first(use):
    async def work(store):
        await released(store, "1", ann="old")
        await store.append([row("a")], "key a")
        await store.append([row("b", "bob")], "key a")

    async def after_a_crash(store):
        waiting = await store.waiting(10)
        assert [one.user_id for one in waiting] == ["ann", "bob"]
        assert [one.user_id for one in await store.waiting(1)] == ["ann"]
        await store.save_scores(store.active.generation, {"ann": score("new", 9.25)}, waiting)
        assert await store.waiting(10) == []
        assert await store.score("ann") == score("new", 9.25)

    use(work)
    use(after_a_crash)


def test_a_row_that_arrives_while_its_user_is_scored_is_not_forgotten(use):
    async def work(store):
        await released(store, "1")
        await store.append([row("a")], "key a")
        waiting = await store.waiting(10)
        await store.append([row("b")], "key a")
        await store.save_scores(store.active.generation, {"ann": score("half")}, waiting)
        (still,) = await store.waiting(10)
        assert still.user_id == "ann"
        assert still.ticket > waiting[0].ticket

    use(work)


def test_scores_of_a_generation_that_is_no_longer_in_force_are_dropped(use):
    async def work(store):
        old = await released(store, "1", ann="old")
        await store.append([row("a")], "key a")
        waiting = await store.waiting(10)
        await released(store, "2", ann="new")
        await store.save_scores(old.generation, {"ann": score("stale")}, waiting)
        assert await store.score("ann") == score("new")
        assert [one.user_id for one in await store.waiting(10)] == ["ann"]

    use(work)


def test_a_release_drops_older_rows_and_lets_users_with_later_ones_wait(use):
    async def work(store):
        await store.append([row("old"), row("new", "bob", NEXT)], "key a")
        state = ActiveState(await store.begin(), "1")
        await store.save_scores(0, {}, await store.waiting(10))
        await store.activate(state, since=NEXT, drop_before=NEXT)
        assert [one.user_id for one in await store.rows(DAY)] == ["bob"]
        assert "bob" in [one.user_id for one in await store.waiting(10)]
        assert await store.append([row("old", day=NEXT)], "key a") == Appended(1)

    use(work)


def test_who_began_to_read_before_a_switch_is_still_answered(use):
    async def work(store):
        before = await released(store, "1", ann="one")
        anew = await store.begin()
        await store.load(anew, [("ann", score("anew"))])
        await store.activate(ActiveState(anew, "1"), since=DAY, drop_before=DAY)  # a deploy of the same release
        after, store.active = store.active, before
        assert await store.scores(["ann"]) == {"ann": score("one")}
        store.active = after
        assert await store.scores(["ann"]) == {"ann": score("anew")}

    use(work)


def test_who_is_set_aside_waits_no_more_until_the_next_release(use):
    async def work(store):
        await released(store, "1", ann="one")
        await store.append([row("1"), row("2", "bob")], "key a")
        await store.set_aside(SetAside("ann", "it ended the engine"))
        assert [one.user_id for one in await store.waiting(10)] == ["bob"]
        await store.append([row("3")], "key a")
        await store.requeue_since(DAY)
        assert [one.user_id for one in await store.waiting(1)] == ["bob"]
        assert await store.aside() == [SetAside("ann", "it ended the engine")]
        assert len(await store.rows(DAY, ["ann"])) == 2
        await released(store, "2", ann="two")
        assert await store.aside() == []
        assert {one.user_id for one in await store.waiting(10)} == {"ann", "bob"}

    use(work)


def test_a_new_day_lets_users_with_rows_wait(use):
    async def work(store):
        await released(store, "1")
        await store.append([row("a")], "key a")
        await store.save_scores(store.active.generation, {}, await store.waiting(10))
        await store.requeue_since(NEXT)
        assert await store.waiting(10) == []
        await store.requeue_since(DAY)
        assert [one.user_id for one in await store.waiting(10)] == ["ann"]

    use(work)


def test_ids_may_hold_anything(use):
    names = ["a b", "'; DROP TABLE state; --", "ü\U0001f600", "a\nb", '"q"', "%", "["]

    async def work(store):
        await released(store, "1", **dict.fromkeys(names, "one"))
        await store.append([row(f"k{number}", name) for number, name in enumerate(names)], "key a")
        assert set(await store.scores(names)) == set(names)
        assert {one.user_id for one in await store.rows(DAY, names)} == set(names)
        assert {one.user_id for one in await store.waiting(10)} == set(names)

    use(work)


def test_a_damaged_file_is_told(tmp_path):
    async def work():
        store = open_store(None, tmp_path)
        await store.open()
        await released(store, "1", **{f"u{number}": "one" * 100 for number in range(2000)})
        store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (tmp_path / "store.db").write_bytes(b"?" * (tmp_path / "store.db").stat().st_size)
        for read in (lambda: store.score("u7"), lambda: store.scores(["u7"])):
            with pytest.raises(StoreUnavailableError, match=r"store\.db"):
                await read()
        await store.close()

    asyncio.run(work())


def test_redis_keeps_a_row_that_arrives_while_older_ones_are_dropped(redis_url, tmp_path):
    async def work():
        store = open_store(redis_url, tmp_path)
        await store.open()
        await store._redis.flushall()
        await store.append([row("old")], "key a")
        read = store._redis.hgetall

        async def read_as_another_arrives(name):
            found = await read(name)
            await store.append([row("new", day=NEXT)], "key a")
            return found

        store._redis.hgetall = read_as_another_arrives
        await store.activate(ActiveState(await store.begin(), "1"), since=NEXT, drop_before=NEXT)
        assert [one.key for one in await store.rows(NEXT)] == ['["new"]']
        assert [one.user_id for one in await store.waiting(10)] == ["ann"]
        await store.close()

    asyncio.run(work())


def test_a_redis_that_would_lose_events_is_refused(tmp_path):
    with redis_server() as url, pytest.raises(PurseError, match="appendfsync always"):
        asyncio.run(open_store(url, tmp_path).open())


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "postgresql://purse@127.0.0.1:1/postgres"])
def test_a_server_that_does_not_answer_is_told(url, tmp_path):
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        asyncio.run(open_store(url, tmp_path).open())


def test_an_unknown_kind_of_store_names_those_there_are(tmp_path):
    with pytest.raises(PurseError, match=r"start with redis:// or postgresql://, .* found 'mysql://'"):
        open_store("mysql://shop", tmp_path)
