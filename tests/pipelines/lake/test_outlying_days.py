"""Which days are outlying: years that are typed wrongly, and single rows ahead of all others."""

from datetime import date, timedelta

import pytest

from pipelines.lake.outlying_days import near_days

FIRST, A_DAY = date(2024, 1, 1), timedelta(days=1)


def shop(days=250, rows=6, every=1):
    return {FIRST + A_DAY * n: rows for n in range(0, days, every)}


def last(counts, **named):
    near = near_days(counts, **named)
    assert near is not None
    inside = [day for day in counts if near[0] <= day <= near[1]]
    return max(inside)


NEWEST = FIRST + A_DAY * 249


@pytest.mark.parametrize("ahead", [9, 40, 240, 3000])
@pytest.mark.parametrize("rows", [1, 2])
def test_one_order_ahead_does_not_move_the_last_day(ahead, rows):
    assert last(shop() | {NEWEST + A_DAY * ahead: rows}) == NEWEST


def test_several_orders_ahead_do_not_move_it_either():
    """Days and months that were exchanged lie on the first days of later months."""
    exchanged = {date(2024, month, day): 1 for month in (10, 11, 12) for day in (1, 5, 9)}
    assert last(shop() | exchanged) == NEWEST


def test_a_shop_that_opens_again_is_believed():
    holidays = {NEWEST + A_DAY * (60 + n): 5 for n in range(2)}
    assert last(shop() | holidays) == max(holidays)


def test_a_shop_with_few_orders_keeps_its_newest():
    assert last(shop(every=20, rows=1)) == FIRST + A_DAY * 240
    assert last({FIRST: 1, FIRST + A_DAY * 100: 1}) == FIRST + A_DAY * 100


def test_a_closed_month_each_winter_is_usual():
    counts = {day: 6 for day in shop(1095) if day.month != 1} | {date(2027, 2, 1): 4}
    assert last(counts) == date(2027, 2, 1)


def test_a_clock_ends_at_the_current_day():
    today = NEWEST - A_DAY * 2
    assert last(shop(), today=today) == today
    assert last(shop(), today=FIRST - A_DAY) == FIRST


def test_two_digit_years_do_not_stretch_the_span():
    counts = shop() | {date(24, 1, 1) + A_DAY * n: 9 for n in range(250)}
    near = near_days(counts)
    assert near is not None
    assert near[0] > date(1900, 1, 1)
    assert last(counts) == NEWEST
