"""An outage: days that were never loaded are named, loaded when the source has them, and not learned from."""

from datetime import date

import pytest

from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake
from pipelines.lake.missing import missing
from pipelines.retraining.snapshots import plan_snapshots
from pipelines.settings import load_settings
from pipelines.validate.step import validate
from tests.pipelines.ingest.conftest import A_DAY, FIRST, by_day, order


def days(*places, orders=12):
    return [order(f"{day}-{n}", day) for day in places for n in range(orders)]


def night(settings, day):
    """Load what the scheduled run after a day loads."""
    result = ingest(settings, to_date=FIRST + A_DAY * (day + 1))
    return result, validate(settings, result.from_date, result.to_date)


def test_the_night_after_an_outage_loads_every_day_of_it(shop):
    settings = shop(days(*range(35)))
    night(settings, 9)
    ingested, _ = night(settings, 34)
    assert (ingested.from_date, ingested.to_date) == (FIRST + A_DAY * 6, FIRST + A_DAY * 35)
    assert ingested.warnings == []
    assert by_day(settings, "raw/order_lines") == dict.fromkeys(range(35), 12)


def test_a_hole_is_named_and_filled_when_the_source_has_it(shop):
    early, late = [*range(28)], [*range(40, 45)]
    settings = shop(days(*early, *late))
    ingested, validated = night(settings, 44)
    hole = "12 days between loaded ones have no rows, although the weekday usually has some: 2024-04-01 to 2024-04-12"
    assert hole in ingested.warnings[0]
    assert hole in validated.warnings[-1]
    shop(days(*early, *range(28, 33), *late))
    ingested, validated = night(settings, 44)
    assert ingested.from_date == FIRST + A_DAY * 28
    assert "7 days between loaded ones" in validated.warnings[-1]
    shop(days(*range(50)))
    ingested, validated = night(settings, 49)
    assert (ingested.from_date, ingested.warnings) == (FIRST + A_DAY * 33, [])
    assert by_day(settings, "raw/order_lines") == dict.fromkeys(range(50), 12)


def test_a_day_of_the_future_does_not_hide_the_days_before_it(shop):
    settings = shop(days(*range(10), 40))
    validate(settings, *range_of(ingest(settings)))
    shop(days(*range(20), 40))
    assert ingest(settings, to_date=FIRST + A_DAY * 20).from_date == FIRST + A_DAY * 10
    assert sorted(by_day(settings)) == [*range(20), 40]


def range_of(result):
    return result.from_date, result.to_date


def test_days_on_which_the_shop_was_closed_are_not_missing(shop):
    settings = shop(days(*range(28), *range(30, 40), orders=30))
    ingest(settings)
    closed = (FIRST + A_DAY * 28, FIRST + A_DAY * 29)
    assert missing(settings, "order_lines") == list(closed)
    assert missing(settings.with_changes(ingest__closed_days=closed), "order_lines") == []
    assert not lake.exists(settings, "raw/order_lines")


@pytest.mark.parametrize("hole", [(date(2001, 2, 10), 7), (date(2001, 1, 10), 10)])
def test_no_label_and_no_newest_history_has_a_hole(hole):
    first, length = hole
    missing_days = [first + A_DAY * n for n in range(length)]
    plan = plan_snapshots(date(2000, 1, 1), date(2001, 3, 1), 28, load_settings().snapshots, missing_days)
    label = A_DAY * plan.label_days
    for snapshot in plan.all:
        end = snapshot + (A_DAY * 28 if snapshot == plan.test else label)
        assert sum(snapshot <= day < end for day in missing_days) <= 2
        assert not [day for day in missing_days if snapshot - A_DAY * 7 <= day < snapshot]
    assert all(snapshot + label <= plan.test for snapshot in plan.final)


def test_nights_with_missed_and_repeated_ones_equal_one_load(shop, tmp_path):
    settings = shop(days(*range(9)))
    night(settings, 8)
    for newest in (11, 11):  # two nights missed, one repeated
        shop(days(*range(newest + 1)))
        night(settings, newest)
    at_once = settings.with_changes(home=str(tmp_path / "at once"))
    validate(at_once, *range_of(ingest(at_once)))
    raw = [
        lake.read(lake.connect(), own, "raw/order_lines").order_by("order_id").to_pyarrow()
        for own in (settings, at_once)
    ]
    assert raw[0].equals(raw[1])
