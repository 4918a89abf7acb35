"""Each change of the lake is one commit, and what has been written last is what is read."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pyarrow as pa
import pytest

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.retraining.newest import resolve_snapshot_date

FIRST, SECOND, THIRD = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)


def rows(*days):
    return pa.table({"day": pa.array(days, pa.date32()), "n": pa.array(range(len(days)), pa.int64())})


def test_a_range_of_days_is_replaced(settings):
    tables.replace(settings, "t", rows(FIRST, FIRST, SECOND), "day", FIRST, THIRD)
    tables.replace(settings, "t", rows(SECOND, SECOND, SECOND), "day", SECOND, THIRD)
    found = tables.read(tables.connect(), settings, "t").to_pandas()
    assert found.day.dt.date.value_counts().to_dict() == {FIRST: 2, SECOND: 3}
    assert tables.days(settings, "t") == [FIRST, SECOND]
    assert tables.version(settings, "t") == 1


def test_a_day_replaced_by_nothing_is_gone_and_the_table_can_still_be_read(settings):
    tables.replace(settings, "t", rows(FIRST), "day", FIRST, SECOND)
    tables.replace(settings, "t", rows(), "day", FIRST, SECOND)
    assert tables.days(settings, "t") == []
    assert tables.read(tables.connect(), settings, "t").count().to_pandas() == 0


def test_a_table_that_is_not_there(settings):
    assert not tables.exists(settings, "t")
    with pytest.raises(PurseError, match="has no table 't'"):
        tables.read(tables.connect(), settings, "t")


def test_of_two_that_create_a_table_at_once_one_replaces_the_other(settings, monkeypatch):
    """Each finds no table and writes: the second is refused, tries again and replaces the day it was to replace."""
    found = iter([False])
    there = tables.DeltaTable.is_deltatable
    tables.replace(settings, "t", rows(FIRST, FIRST), "day", FIRST, SECOND)
    monkeypatch.setattr(tables.DeltaTable, "is_deltatable", lambda url: next(found, None) is None and there(url))
    tables.replace(settings, "t", rows(FIRST), "day", FIRST, SECOND)
    assert tables.read(tables.connect(), settings, "t").count().to_pandas() == 1


def test_threads_that_create_a_table_at_once_leave_the_rows_of_one(settings):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: tables.replace(settings, "t", rows(FIRST), "day", FIRST, SECOND), range(4)))
    assert tables.read(tables.connect(), settings, "t").count().to_pandas() == 1


def test_a_connection_is_held_to_its_memory_and_spills_into_the_home(settings):
    connection = tables.connect()
    tables.bound(connection, settings.with_changes(memory="64MB"))
    connection.raw_sql(
        "CREATE TEMP TABLE big AS SELECT range AS n, md5(range::VARCHAR) AS t FROM range(2000000) ORDER BY t"
    )
    assert connection.table("big").n.sum().to_pandas() == 2_000_000 * 1_999_999 // 2
    assert (settings.home_path / "spill").is_dir()


FILL_THE_DISK = """
import resource, signal
from datetime import date
import pyarrow as pa
from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import load_settings
rows = pa.table({"day": pa.array([date(2024, 1, 2)] * 100_000), "n": pa.array(range(100_000), pa.int64())})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    tables.replace(load_settings(), "t", rows, "day", date(2024, 1, 1), date(2024, 1, 3))
except PurseError as error:
    print(error)
"""


def test_the_disk_is_full_and_the_table_stays_as_it_was(settings):
    """A limit on the size of a file makes the operating system refuse the write, as a full disk does."""
    tables.replace(settings, "t", rows(FIRST), "day", FIRST, SECOND)
    environment = {**os.environ, "PURSE_HOME": str(settings.home)}
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK], env=environment, capture_output=True, text=True, check=True
    )
    assert "The table is as it was before; free disk space" in done.stdout
    assert tables.read(tables.connect(), settings, "t").count().to_pandas() == 1


def test_the_snapshot_date_is_the_day_after_the_newest(settings):
    with pytest.raises(PurseError, match="holds no orders"):
        resolve_snapshot_date(settings, None, FIRST)
    tables.replace(settings, "raw/order_lines", rows(FIRST, SECOND), "day", FIRST, THIRD)
    assert resolve_snapshot_date(settings, None, date(2030, 1, 1)) == THIRD
    assert resolve_snapshot_date(settings, FIRST, date(2030, 1, 1)) == FIRST


def test_stale_data_stops_a_live_run_but_not_a_named_date(settings):
    tables.replace(settings, "raw/order_lines", rows(FIRST), "day", FIRST, SECOND)
    live = settings.with_changes(ingest__max_staleness_days=2)
    assert resolve_snapshot_date(live, None, date(2024, 1, 4)) == SECOND
    with pytest.raises(PurseError, match="of 2024-01-01, 3 days before 2024-01-05"):
        resolve_snapshot_date(live, None, date(2024, 1, 5))
    assert resolve_snapshot_date(live, FIRST, date(2024, 1, 5)) == FIRST
    assert resolve_snapshot_date(live, None, FIRST) == FIRST  # the newest day isn't over
