"""The history of a release: what is in it, in which order, and what is left out."""

from datetime import datetime

import duckdb
import pyarrow as pa
import pytest

from pipelines.build_features.daily_tables import refresh
from pipelines.errors import PurseError
from pipelines.lake import tables as lake
from serving.release import history
from tests.serving.releases import SNAPSHOT, canonical, catalogue, day, event, line, random_shop


def at(number: int) -> datetime:
    return datetime.combine(day(number), datetime.min.time())


def write(settings, rows) -> None:
    for name, table in rows.items():
        lake.replace(settings, f"raw/{name}", table, "day", lake.UNDATED, day(10))


@pytest.fixture
def stored(settings, tmp_path):
    """Write a history of rows and open it."""

    def store(rows):
        write(settings, rows)
        refresh(settings, lake.connect())
        history.write(settings, SNAPSHOT, tmp_path / "history.duckdb")
        return duckdb.connect(tmp_path / "history.duckdb", read_only=True)

    return store


def test_days_before_the_snapshot_sorted_by_user(stored):
    shop = random_shop(users=12)
    later = canonical("order_lines", [line("u1", at(3), "p1", 1.0, 5.0, 1)])
    connection = stored(shop | {"order_lines": pa.concat_tables([later, shop["order_lines"]])})
    tables = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    days = {"user_day", "user_category_day", "user_event_day", "user_event_category_day"}
    assert tables == days | {"users", "products", "prices"}
    for name in sorted(days):
        rows = connection.sql(f"SELECT user_id, day FROM {name}").fetchall()  # noqa: S608 - a name of the test
        assert rows == sorted(rows)
        assert rows[-1][1] < SNAPSHOT
    assert connection.sql("SELECT max(day) < DATE '2024-03-01' FROM prices").fetchall() == [(True,)]


def test_categories_are_kept_as_long_as_a_window_sees_them(stored):
    rows = {"order_lines": canonical("order_lines", [line("u", at(n), "p1", 1.0, 5.0, n) for n in (-92, -91)])}
    connection = stored(rows | {"products": canonical("products", catalogue())})
    assert connection.sql("SELECT day FROM user_category_day").fetchall() == [(day(-91),)]
    assert len(connection.sql("SELECT day FROM user_day").fetchall()) == 2
    assert len(connection.sql("SELECT * FROM products WHERE valid_until IS NULL").fetchall()) == 5


def test_orders_alone_are_enough(stored):
    connection = stored({"order_lines": canonical("order_lines", [line("u", at(-1), "p1", 1.0, 5.0, 1)])})
    tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
    assert tables == ["prices", "user_category_day", "user_day"]


def test_daily_tables_that_were_not_built_are_named(settings, tmp_path):
    write(settings, {"order_lines": canonical("order_lines", [line("u", at(-1), "p1", 1.0, 5.0, 1)])})
    write(settings, {"events": canonical("events", [event("u", at(-1), "view", "p1", 1)])})
    with pytest.raises(PurseError, match="no table 'user_day'"):
        history.write(settings, SNAPSHOT, tmp_path / "history.duckdb")
