"""Rows of a snapshot and of a range of days."""

from datetime import date

import pyarrow as pa
import pytest

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.lake.rows import between, snapshot_rows

FIRST, SECOND, THIRD, FOURTH = (date(2024, 1, day) for day in (1, 2, 3, 4))


def write(settings, snapshot, end, **columns):
    users = pa.array([f"u{n}" for n in range(len(next(iter(columns.values()))))])
    stamped = {"user_id": users, "snapshot_date": pa.array([snapshot] * len(users), pa.date32())}
    tables.replace(settings, "features", pa.table(stamped | columns), "snapshot_date", snapshot, end)


def test_only_the_rows_of_the_snapshot(settings):
    write(settings, FIRST, SECOND, spend=[1.0, 2.0])
    write(settings, SECOND, THIRD, spend=[3.0])
    found = snapshot_rows(tables.connect(), settings, "features", SECOND).to_pyarrow().to_pylist()
    assert found == [{"user_id": "u0", "spend": 3.0, "snapshot_date": SECOND}]


def test_every_snapshot_has_the_columns_of_the_table(settings):
    """A training set joins the snapshots: one that was written before a feature existed, and one without rows."""
    write(settings, FIRST, SECOND, spend=[1.0])
    write(settings, SECOND, THIRD, spend=[3.0], visits=[4])
    names = ["user_id", "snapshot_date", "spend", "visits"]
    rows = [snapshot_rows(tables.connect(), settings, "features", day) for day in (FIRST, SECOND, THIRD)]
    joined = pa.concat_tables([part.select(names).to_pyarrow() for part in rows])
    assert joined["visits"].to_pylist() == [None, 4]
    assert joined["snapshot_date"].to_pylist() == [FIRST, SECOND]


def test_files_of_other_snapshots_are_not_opened(settings):
    write(settings, FIRST, SECOND, spend=[1.0])
    write(settings, SECOND, THIRD, spend=[3.0])
    for file in (settings.home_path / "lake/features" / f"snapshot_date={FIRST}").iterdir():
        file.unlink()
    assert snapshot_rows(tables.connect(), settings, "features", SECOND).count().to_pyarrow().as_py() == 1


def test_a_table_that_is_not_there(settings):
    with pytest.raises(PurseError, match="has no table 'features'"):
        snapshot_rows(tables.connect(), settings, "features", FIRST)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [(None, THIRD, [FIRST, SECOND]), (SECOND, FOURTH, [SECOND, THIRD]), (SECOND, SECOND, [])],
)
def test_a_range_holds_its_start_and_not_its_end(table, start, end, days):
    rows = table(day=[FIRST, SECOND, THIRD, FOURTH]).cast({"day": "date"})
    assert between(rows, start, end).order_by("day").to_pyarrow()["day"].to_pylist() == days
