"""Nights with missed and repeated ones end like one load of the same days: rows, features and scores."""

from datetime import datetime, time
from pathlib import Path

import pytest

from pipelines.choose import choose
from pipelines.lake import tables
from pipelines.settings import Settings
from tests.nights.shops import (
    A_DAY,
    KEYS,
    MISSED,
    NIGHTS,
    REPEATED,
    SNAPSHOTS,
    ZONES,
    Shop,
    assert_equal,
    late_shop,
    without_lake,
)
from tests.nights.steps import SMALL, load, rescore, retrain

pytestmark = pytest.mark.long


@pytest.fixture(params=ZONES)
def shop(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Shop:
    return late_shop(request.param, settings, tmp_path)


def run_nights(shop: Shop, settings: Settings) -> None:
    """Load, train and score on the first day; then run the nights, without the missed ones."""
    late = 0
    for number in range(NIGHTS + 1):
        day = shop.night(number)
        late += shop.export_until(datetime.combine(day, time(2), shop.zone))
        if number in MISSED:
            continue
        load(settings, day)
        assert tables.days(settings, "raw/order_lines")[-1] == day - A_DAY
        if number == 0:
            choose(settings, retrain(settings, day).version, "an operator", datetime.combine(day, time(2), shop.zone))
        rescore(settings, day)
        if number == REPEATED:
            load(settings, day)
            rescore(settings, day)
    assert late > NIGHTS


def test_a_fortnight_with_missed_nights_equals_one_load(shop: Shop, settings: Settings, tmp_path: Path) -> None:
    settings = settings.with_changes(source=str(shop.source), **SMALL)
    run_nights(shop, settings)
    at_once = without_lake(settings, tmp_path / "at once")
    load(at_once, shop.night(NIGHTS))
    for name, keys in KEYS.items():
        assert_equal(settings, at_once, name, keys)
    rescore(at_once, shop.night(NIGHTS))  # the last night has written its scores
    for number in (1, MISSED[-1] + 1, REPEATED):  # late rows came afterwards
        for own in (settings, at_once):
            rescore(own, shop.night(number))
    for number in (1, MISSED[-1] + 1, REPEATED, NIGHTS):
        for name in SNAPSHOTS:
            assert_equal(settings, at_once, name, ["user_id"], shop.night(number))
