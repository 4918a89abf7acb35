"""A day more, a late row or a changed product: what is computed again is little, and equals a full rebuild."""

import shutil
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.daily.tables import DAILY
from pipelines.build_features import daily_tables as daily
from pipelines.build_features import step, without_orders
from pipelines.build_features.daily_tables import refresh
from pipelines.build_features.step import build_features
from pipelines.lake import commit_log
from pipelines.lake import tables as lake

FIRST, A_DAY = date(2024, 1, 1), timedelta(days=1)
DAYS = 40
KEYS = ["user_id", "category", "day"]
INEXACT = ["price_level", "view_level"]
"""Sums of logarithms, whose last digit depends on the order of the rows; all other sums are of quarters, and exact."""


def day(number: int) -> date:
    return FIRST + A_DAY * number


def orders(number: int, count: int = 12) -> pd.DataFrame:
    random = np.random.default_rng(number)
    quantity = random.choice([1.0, 2.0, -1.0], count, p=[0.6, 0.3, 0.1])
    price = random.integers(4, 80, count) / 4
    return pd.DataFrame(
        {
            "order_id": [f"{number}-{n // 2}" for n in range(count)],
            "product_id": [f"p{n}" for n in random.integers(0, 8, count)],
            "line": np.arange(count),
            "user_id": [f"u{n}" for n in random.integers(0, 9, count)],
            "ordered_at": datetime.combine(day(number), time(12)),
            "quantity": quantity,
            "unit_price": price,
            "amount": price * quantity,
            "day": day(number),
        }
    )


def events(number: int, count: int = 20) -> pd.DataFrame:
    random = np.random.default_rng(1000 + number)
    return pd.DataFrame(
        {
            "event_id": [f"{number}-{n}" for n in range(count)],
            "user_id": [f"u{n}" for n in random.integers(0, 12, count)],
            "occurred_at": datetime.combine(day(number), time(18)),
            "event_type": random.choice(["view", "search", "cart"], count, p=[0.7, 0.2, 0.1]),
            "product_id": [f"p{n}" for n in random.integers(0, 8, count)],
            "session_id": [f"{number}-{n // 5}" for n in range(count)],
            "dwell_seconds": random.integers(0, 50, count) / 4,
            "day": day(number),
        }
    )


def products(*more: tuple[str, int, str, float]) -> pd.DataFrame:
    """Eight products from always on, and versions of (product, day, category, price)."""
    rows = [(f"p{n}", lake.UNDATED, f"c{n % 2}", 2.0 + n) for n in range(8)]
    rows += [(product, day(number), category, price) for product, number, category, price in more]
    frame = pd.DataFrame(rows, columns=["product_id", "day", "category", "list_price"])
    return frame.assign(valid_from=pd.to_datetime(frame.day))


def write(settings, table: str, frame: pd.DataFrame, start: date, end: date | None = None) -> None:
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    lake.replace(settings, f"raw/{table}", rows, "day", start, end or start + A_DAY)


def load(settings, days: int = DAYS, catalogue: pd.DataFrame | None = None) -> None:
    write(settings, "order_lines", pd.concat([orders(n) for n in range(days)]), FIRST, day(days))
    write(settings, "events", pd.concat([events(n) for n in range(days)]), FIRST, day(days))
    write(settings, "products", products() if catalogue is None else catalogue, lake.UNDATED, day(400))


def computed(settings) -> list[int]:
    """Days computed of user_day, user_category_day, user_event_day, user_event_category_day."""
    return list(refresh(settings, lake.connect()).values())


def assert_as_rebuilt(settings, tmp_path: Path) -> None:
    """Every daily table equals one that is computed from nothing out of the same raw tables."""
    fresh = settings.with_changes(home=str(tmp_path / "fresh"))
    for name in ("order_lines", "events", "products"):
        rows = lake.read(lake.connect(), settings, f"raw/{name}").to_pyarrow()
        lake.replace(fresh, f"raw/{name}", rows, "day", lake.UNDATED, day(400))
    refresh(fresh, lake.connect())
    for table in DAILY:
        found, expected = (lake.read(lake.connect(), s, table.name).to_pandas() for s in (settings, fresh))
        keys = [key for key in KEYS if key in expected]
        found = found[list(expected)].sort_values(keys, ignore_index=True)
        expected = expected.sort_values(keys, ignore_index=True)
        levels = [column for column in INEXACT if column in expected]
        pd.testing.assert_frame_equal(found.drop(columns=levels), expected.drop(columns=levels), check_exact=True)
        pd.testing.assert_frame_equal(found[levels], expected[levels], rtol=1e-12, atol=1e-12)


@pytest.fixture
def shop(settings):
    load(settings)
    assert computed(settings) == [DAYS] * 4
    return settings


def test_nothing_new_computes_nothing(shop):
    versions = [lake.version(shop, table.name) for table in DAILY]
    assert computed(shop) == [0] * 4
    assert [lake.version(shop, table.name) for table in DAILY] == versions


def test_a_new_day_is_computed_alone_and_in_one_commit(shop, tmp_path):
    before = {table.name: commit_log.files(lake.open_table(shop, table.name)) for table in DAILY}
    write(shop, "order_lines", orders(DAYS), day(DAYS))
    write(shop, "events", events(DAYS), day(DAYS))
    assert computed(shop) == [1] * 4
    for name, files in before.items():
        assert lake.version(shop, name) == 1
        after = commit_log.files(lake.open_table(shop, name))
        assert {day: after[day] for day in files} == files
    assert_as_rebuilt(shop, tmp_path)


def test_a_late_line_reopens_its_day_and_the_prices_of_28_more(shop, tmp_path):
    late = pd.concat([orders(5), orders(5).assign(order_id="late", unit_price=1000.0)])
    write(shop, "order_lines", late, day(5))
    assert computed(shop) == [29, 1, 28, 0]
    assert_as_rebuilt(shop, tmp_path)


def test_a_late_line_near_the_end_reopens_the_days_that_there_are(shop, tmp_path):
    write(shop, "order_lines", orders(30), day(30))
    assert computed(shop) == [10, 1, 9, 0]
    assert_as_rebuilt(shop, tmp_path)


def test_a_late_event_reopens_its_day_only(shop, tmp_path):
    write(shop, "events", pd.concat([events(20), events(20).assign(user_id="late")]), day(20))
    assert computed(shop) == [0, 0, 1, 1]
    assert_as_rebuilt(shop, tmp_path)


def test_a_day_that_is_taken_back_is_gone(shop, tmp_path):
    write(shop, "order_lines", orders(DAYS - 1).head(0), day(DAYS - 1))
    write(shop, "events", events(DAYS - 1).head(0), day(DAYS - 1))
    computed(shop)
    assert all(lake.days(shop, table.name)[-1] == day(DAYS - 2) for table in DAILY)
    assert_as_rebuilt(shop, tmp_path)


def test_a_catalogue_written_again_reopens_nothing(shop):
    write(shop, "products", products(), lake.UNDATED, day(400))
    assert computed(shop) == [0] * 4


def test_a_product_that_nobody_knew_reopens_nothing(shop, tmp_path):
    write(shop, "products", products(("new", 3, "c0", 9.0)), lake.UNDATED, day(400))
    assert computed(shop) == [0] * 4
    write(shop, "order_lines", orders(DAYS).assign(product_id="new"), day(DAYS))
    assert computed(shop) == [1, 1, 0, 0]
    assert_as_rebuilt(shop, tmp_path)


def test_a_price_that_changes_reopens_the_days_from_then_on(shop, tmp_path):
    write(shop, "products", products(("p1", 35, "c1", 99.0)), lake.UNDATED, day(400))
    assert max(computed(shop)) <= 5
    assert_as_rebuilt(shop, tmp_path)


def test_a_category_that_was_wrong_all_the_time(shop, tmp_path):
    catalogue = products()
    catalogue.loc[catalogue.product_id == "p3", "category"] = "c0"
    write(shop, "products", catalogue, lake.UNDATED, day(400))
    computed(shop)
    assert_as_rebuilt(shop, tmp_path)


def test_a_build_that_is_killed_between_two_tables_is_completed_by_the_next(shop, tmp_path, monkeypatch):
    write(shop, "order_lines", orders(DAYS), day(DAYS))
    write(shop, "events", events(DAYS), day(DAYS))
    written = lake.replace_days

    def dies(settings, table, *arguments):
        if table == "user_event_day":
            raise KeyboardInterrupt
        written(settings, table, *arguments)

    with monkeypatch.context() as crash:
        crash.setattr(lake, "replace_days", dies)
        with pytest.raises(KeyboardInterrupt):
            computed(shop)
    assert computed(shop) == [0, 0, 1, 1]
    assert_as_rebuilt(shop, tmp_path)


def test_a_portion_at_a_time_gives_the_same(settings, tmp_path, monkeypatch):
    load(settings)
    with monkeypatch.context() as small:
        small.setattr(daily, "ROWS_AT_ONCE", 100)
        assert computed(settings) == [DAYS] * 4
    assert_as_rebuilt(settings, tmp_path)


def test_other_code_or_a_cleaned_up_lake_computes_all_days(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(daily, "_code", lambda: "other")
    assert computed(shop) == [DAYS] * 4
    old = lake.open_table(shop, "raw/products")
    write(shop, "products", products(("p1", 35, "c1", 99.0)), lake.UNDATED, day(400))
    for path in (path for paths in commit_log.files(old).values() for path in paths):
        Path(path).unlink()
    assert computed(shop) == [DAYS] * 4
    assert_as_rebuilt(shop, tmp_path)


def test_raw_tables_that_were_created_anew_compute_all_days(shop, tmp_path):
    for name in ("order_lines", "events", "products"):
        shutil.rmtree(Path(shop.lake) / "raw" / name)
    write(shop, "order_lines", pd.concat([orders(n).assign(unit_price=9.0) for n in range(DAYS)]), FIRST, day(DAYS))
    write(shop, "events", pd.concat([events(n) for n in range(DAYS)]), FIRST, day(DAYS))
    write(shop, "products", products(), lake.UNDATED, day(400))
    assert computed(shop) == [DAYS] * 4
    assert_as_rebuilt(shop, tmp_path)


def test_events_may_come_later_than_orders(settings, tmp_path):
    load(settings, 10)
    for name in ("events", "products"):
        (Path(settings.lake) / "raw" / name).rename(tmp_path / name)
    assert computed(settings) == [10, 10]
    for name in ("events", "products"):
        (tmp_path / name).rename(Path(settings.lake) / "raw" / name)
    assert computed(settings) == [10] * 4
    assert_as_rebuilt(settings, tmp_path)


def test_only_snapshots_whose_days_changed_are_computed_again(shop, monkeypatch):
    built = []
    original = step.build

    def counting(tables, snapshot, *arguments):
        built.append(snapshot)
        return original(tables, snapshot, *arguments)

    monkeypatch.setattr(step, "build", counting)
    monkeypatch.setattr(step, "check", lambda *_: {})
    short = shop.with_changes(horizon_days=7)
    snapshots = build_features(short, day(DAYS), "training").snapshots
    assert built == snapshots
    rows = build_features(short, day(DAYS), "training").rows
    assert built == [*snapshots, snapshots[-1]]  # the newest is always computed
    late = day(22)
    write(shop, "events", pd.concat([events(22), events(22).assign(user_id="late")]), late)
    built.clear()
    assert build_features(short, day(DAYS), "training").rows == rows
    assert built == [snapshot for snapshot in snapshots if snapshot > late]
    assert 0 < len(built) < len(snapshots)


def test_users_written_again_change_no_snapshot_and_a_later_version_only_those_after_it(shop, monkeypatch):
    def write_users(*more: tuple[str, int, str]) -> None:
        rows = [(f"u{n}", lake.UNDATED, "a") for n in range(9)] + [(user, day(n), band) for user, n, band in more]
        frame = pd.DataFrame(rows, columns=["user_id", "day", "age_band"])
        write(shop, "users", frame.assign(valid_from=pd.to_datetime(frame.day)), lake.UNDATED, day(400))

    built = []
    original = step.build
    monkeypatch.setattr(
        step, "build", lambda tables, snapshot, *rest: built.append(snapshot) or original(tables, snapshot, *rest)
    )
    monkeypatch.setattr(step, "check", lambda *_: {})
    short = shop.with_changes(horizon_days=7)
    write_users()
    snapshots = build_features(short, day(DAYS), "training").snapshots
    built.clear()
    write_users()
    build_features(short, day(DAYS), "training")
    assert built == snapshots[-1:]
    built.clear()
    write_users(("u1", 22, "b"))
    build_features(short, day(DAYS), "training")
    assert built == [snapshot for snapshot in snapshots if snapshot > day(22)]
    assert 0 < len(built) < len(snapshots)


def test_a_part_of_the_users_at_a_time_gives_the_same(shop, monkeypatch):
    monkeypatch.setattr(step, "check", lambda *_: {})
    short = shop.with_changes(horizon_days=7)

    def built() -> pd.DataFrame:
        build_features(short, day(DAYS))
        return (
            lake.read(lake.connect(), short, "features")
            .to_pyarrow()
            .to_pandas()
            .sort_values("user_id", ignore_index=True)
        )

    whole = built()
    monkeypatch.setattr(step, "DAYS_AT_ONCE", 40)
    parts = built()
    assert len(whole) == 9
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-9)


def test_users_without_orders_are_computed_again_only_where_their_days_changed(shop, monkeypatch):
    built = []
    original = without_orders.build
    monkeypatch.setattr(
        without_orders,
        "build",
        lambda tables, day, *rest, **named: built.append(day) or original(tables, day, *rest, **named),
    )
    monkeypatch.setattr(step, "check", lambda *_: {})
    short = shop.with_changes(horizon_days=7)
    done = build_features(short, day(DAYS), "training")
    snapshots = done.snapshots
    assert built == snapshots
    built.clear()
    assert build_features(short, day(DAYS), "training").rows_without_orders == done.rows_without_orders > 0
    assert built == snapshots[-1:]
    write(shop, "events", pd.concat([events(22), events(22).assign(user_id="late")]), day(22))
    built.clear()
    build_features(short, day(DAYS), "training")
    assert built == [snapshot for snapshot in snapshots if snapshot > day(22)]
