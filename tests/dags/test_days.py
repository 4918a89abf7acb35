"""A day of the shop, from its schedule to the days that an ingest reads, in several time zones."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

ZONES = ("UTC", "America/Los_Angeles", "America/New_York", "Asia/Taipei", "Asia/Kolkata", "Europe/Berlin")
CHANGES_OF_CLOCKS = (date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1))
LEAP_DAY, NEW_YEAR = date(2028, 2, 29), date(2028, 1, 1)
SOURCE = """
title: a shop in {zone}
timezone: {zone}
tables:
  order_lines:
    from: {{files: orders.csv}}
    columns:
      {{order_id: o, product_id: p, line: _line, user_id: u, ordered_at: t, quantity: "1", unit_price: a, amount: a}}
"""


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ZoneInfo:
    source = tmp_path / "shop.yaml"
    source.write_text(SOURCE.format(zone=request.param))
    monkeypatch.setenv("PURSE_SOURCE", str(source))
    return ZoneInfo(request.param)


def runs(schedule: Any, first: date, last: date) -> list[datetime]:
    """Logical dates of the scheduled runs from a day to a day, as Airflow's scheduler computes them."""
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance

    timetable = coerce_to_core_timetable(schedule)
    start = instance(datetime.combine(first, datetime.min.time(), UTC))
    limits = TimeRestriction(earliest=start, latest=start.add(days=(last - first).days + 1), catchup=True)
    found, info = [], timetable.next_dagrun_info(last_automated_data_interval=None, restriction=limits)
    while info:
        found.append(info.logical_date)
        info = timetable.next_dagrun_info(last_automated_data_interval=info.data_interval, restriction=limits)
    return found


def days(dag: Any, logical_date: datetime, run_type: str = "scheduled") -> dict[str, str]:
    """Options that the run of a date passes to `purse ingest`."""
    task = dag.get_task("ingest")
    run = SimpleNamespace(run_type=run_type, logical_date=logical_date)
    context = {"dag_run": run, "params": {}, **dag.user_defined_macros}
    return dict(task.render_template(task.op_kwargs, context))


CRONS = ("0 2 * * *", "30 2 * * *", "30 1 * * *", "0 0 * * *", "45 23 * * *")


def test_every_day_is_ingested_once_when_it_is_over(bag: Any, zone: ZoneInfo) -> None:
    from dags.days import at_shop_time

    for cron, day in product(CRONS, (*CHANGES_OF_CLOCKS, LEAP_DAY, NEW_YEAR)):
        moments = runs(at_shop_time(cron), day - timedelta(days=3), day + timedelta(days=3))
        ends = [moment.astimezone(zone).date() for moment in moments]  # of that day the days before are over
        assert len(ends) >= 6
        assert ends == [ends[0] + timedelta(days=number) for number in range(len(ends))]  # none twice, none left out
        (moment,) = (moment for moment, end in zip(moments, ends, strict=True) if end == day)
        assert days(bag.dags["ingest_daily"], moment)["to"] == str(day)
        before = str(day - timedelta(days=1))
        assert days(bag.dags["ingest_daily"], moment, "backfill") == {"from_": before, "to": str(day), "replace": ""}


def test_the_schedules_are_in_the_shops_time(parse: Any, zone: ZoneInfo) -> None:
    dags = parse().dags
    for dag_id, hour in (("ingest_daily", 2), ("retrain_daily", 4)):
        for moment in runs(dags[dag_id].schedule, date(2026, 6, 1), date(2026, 6, 3)):
            assert moment.astimezone(zone).strftime("%H:%M") == f"{hour:02}:00"


def test_a_shop_in_new_york_is_not_ingested_in_its_evening(parse: Any, monkeypatch: Any, tmp_path: Path) -> None:
    source = tmp_path / "shop.yaml"
    source.write_text(SOURCE.format(zone="America/New_York"))
    monkeypatch.setenv("PURSE_SOURCE", str(source))
    dag = parse().dags["ingest_daily"]
    evening = datetime(2026, 12, 4, 2, tzinfo=UTC)  # 21:00 of December 3 in New York
    assert days(dag, evening)["to"] == "2026-12-03"
    (night,) = runs(dag.schedule, date(2026, 12, 4), date(2026, 12, 4))
    assert night == datetime(2026, 12, 4, 7, tzinfo=UTC)
    assert days(dag, night) == {"from_": "", "to": "2026-12-04", "replace": ""}
