"""Days that the lake holds and the source has lost, wholly or in part, and their return from the lake's history."""

import pytest

from pipelines.errors import PurseError
from pipelines.ingest.restore import restore
from pipelines.ingest.step import ingest
from pipelines.validate.step import validate
from tests.pipelines.ingest.conftest import A_DAY, FIRST, by_day, order

LINES = [order(f"{day}-{n}", day) for day in range(5) for n in range(10)]
"""Ten orders of 2.00 on each of five days."""


def test_a_file_with_only_the_newest_days_deletes_nothing(shop):
    settings = shop(LINES)
    ingest(settings)
    validate(settings)
    shop([*LINES[40:], *(order(f"5-{n}", 5) for n in range(10))])
    result = ingest(settings)
    assert result.from_date == FIRST + A_DAY
    (warning,) = result.warnings
    assert "no longer has rows of 2024-03-05 to 2024-03-07; the lake keeps 3 days with 30 rows" in warning
    assert by_day(settings) == dict.fromkeys(range(6), 10)
    validate(settings, result.from_date, result.to_date)
    assert by_day(settings, "raw/order_lines") == dict.fromkeys(range(6), 10)


@pytest.mark.parametrize(
    ("lines", "lost"),
    [
        ([*LINES[:40], *LINES[46:]], r"2024-03-08 \(10 rows and 20.00 of sales, now 4 rows and 8.00 of sales\)"),
        (
            [*LINES[:40], *(order(f"4-{n}", 4, amount=0) for n in range(10))],
            r"2024-03-08 \(10 rows and 20.00 of sales, now 10 rows and 0.00 of sales\)",
        ),
    ],
    ids=["rows", "money"],
)
@pytest.mark.parametrize("given", [(), (FIRST, FIRST + A_DAY * 5)], ids=["night", "by hand"])
def test_a_day_that_lost_most_rows_or_money_stops(shop, lines, lost, given):
    settings = shop(LINES)
    ingest(settings)
    shop(lines)
    with pytest.raises(PurseError, match=f"lost more than 50%.*{lost}.*Nothing was written.*--replace"):
        ingest(settings, *given)
    assert by_day(settings) == dict.fromkeys(range(5), 10)
    assert ingest(settings, *given, replace=True).warnings == []
    assert by_day(settings) == {0: 10, 1: 10, 2: 10, 3: 10, 4: len(lines) - 40}


def test_a_day_may_lose_a_few_orders(shop):
    settings = shop(LINES)
    ingest(settings)
    shop(LINES[:45])
    assert ingest(settings).warnings == []
    assert by_day(settings)[4] == 5


def test_rows_with_a_corrected_time_are_not_lost(shop):
    settings = shop(LINES)
    ingest(settings)
    shop([*LINES[:40], *(order(f"4-{n}", 5, at="00:30") for n in range(10))])
    assert ingest(settings).warnings == []
    assert by_day(settings) == {0: 10, 1: 10, 2: 10, 3: 10, 5: 10}


def test_unreadable_money_is_left_to_validation(shop):
    settings = shop(LINES)
    ingest(settings)
    shop([*LINES[:40], *(order(f"4-{n}", 4, amount="two") for n in range(10))])
    ingest(settings)
    assert by_day(settings)[4] == 10


def test_a_newer_version_of_a_user_is_no_loss_and_a_lost_user_is(shop):
    settings = shop(LINES, [[f"u{n}", "2024-03-05"] for n in range(10)])
    ingest(settings)
    shop(LINES, [[f"u{n}", "2024-03-07" if n < 8 else "2024-03-05"] for n in range(10)])
    assert ingest(settings).warnings == []
    assert by_day(settings, "staging/users") == {1: 2, 3: 8}
    shop(LINES, [["u8", "2024-03-05"], ["u0", "2024-03-07"]])
    with pytest.raises(PurseError, match=r"users: 2024-03-07 \(8 rows, now 1 rows\)"):
        ingest(settings)


def test_a_table_without_times_is_compared_as_a_whole(shop):
    settings = shop(LINES, [[f"u{n}", ""] for n in range(10)], timed=False)
    ingest(settings)
    shop(LINES, [["u1", ""]], timed=False)
    with pytest.raises(PurseError, match=r"users: the whole table \(10 rows, now 1 rows\)"):
        ingest(settings)


def test_what_was_lost_comes_back_from_the_history(shop):
    settings = shop(LINES)
    ingest(settings)
    validate(settings)
    shop(LINES[40:])
    ingest(settings, FIRST, FIRST + A_DAY * 5, replace=True)
    validate(settings, FIRST, FIRST + A_DAY * 5, replace=True)
    assert by_day(settings, "raw/order_lines") == {4: 10}
    with pytest.raises(PurseError, match=r"no version 9. Its versions(.|\n)*1: .*10 rows of 1 days(.|\n)*0: .*50 rows"):
        restore(settings, "order_lines", 9)
    result = restore(settings, "order_lines", 0)
    assert (result.from_date, result.to_date) == (FIRST, FIRST + A_DAY * 4)
    validate(settings)
    assert by_day(settings, "raw/order_lines") == dict.fromkeys(range(5), 10)
    with pytest.raises(PurseError, match=r"has no days that are gone"):
        restore(settings, "order_lines", 0)


def test_a_range_comes_back_as_it_was(shop):
    settings = shop(LINES)
    ingest(settings)
    shop(LINES[:45])
    ingest(settings)
    restore(settings, "order_lines", 0, FIRST + A_DAY * 4, FIRST + A_DAY * 5)
    assert by_day(settings) == dict.fromkeys(range(5), 10)
