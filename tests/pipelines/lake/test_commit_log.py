"""What the log of a table says of its days and of the state that a writer stored."""

from datetime import date

import pyarrow as pa

from pipelines.lake import commit_log, tables

FIRST, SECOND, THIRD, FOURTH = (date(2024, 1, day) for day in (1, 2, 3, 4))


def write(settings, *days, start, end, **state):
    rows = pa.table({"day": pa.array(days, pa.date32()), "n": pa.array(range(len(days)), pa.int64())})
    tables.replace(settings, "t", rows, "day", start, end, state)


def test_days_that_were_replaced_added_or_removed_are_rewritten(settings):
    write(settings, FIRST, SECOND, THIRD, start=FIRST, end=FOURTH)
    write(settings, SECOND, FOURTH, start=SECOND, end=date(2024, 1, 5))
    before, now = tables.open_table(settings, "t", 0), tables.open_table(settings, "t")
    assert commit_log.rewritten_days(before, now) == {SECOND, THIRD, FOURTH}
    assert commit_log.rewritten_days(now, now) == set()


def test_state_is_that_of_the_newest_commit(settings):
    write(settings, FIRST, start=FIRST, end=SECOND, rules="a", open="[]")
    assert {"rules": "a", "open": "[]"}.items() <= commit_log.metadata(tables.open_table(settings, "t")).items()
    write(settings, SECOND, start=SECOND, end=THIRD)
    assert {"rules", "open"}.isdisjoint(commit_log.metadata(tables.open_table(settings, "t")))
