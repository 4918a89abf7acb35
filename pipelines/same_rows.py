"""Whether days hold the same rows as before, so that a day is written only if something changed."""

from collections.abc import Mapping, Sequence
from datetime import date

from deltalake import DeltaTable
from duckdb import DuckDBPyRelation
from ibis.backends.duckdb import Backend

from pipelines import lake

Prints = Mapping[date, tuple[int, int]]
"""By day the number of rows and the sum of their hashes: the same whatever the order and the files."""


def fingerprints(rows: DuckDBPyRelation) -> dict[date, tuple[int, int]]:
    """The fingerprint of each day of some rows, which have a `day`."""
    named = rows.set_alias("record").project("day, hash(record)::HUGEINT AS code")
    return {day: (count, code) for day, count, code in named.aggregate("day, count(*), sum(code)", "day").fetchall()}


def changed_days(connection: Backend, table: DeltaTable, columns: Sequence[str], now: Prints) -> set[date]:
    """Of the days in `now`, those whose rows in a table are others; all of them if it has other columns."""
    if {field.name for field in table.schema().fields} != set(columns):
        return set(now)
    expression = lake.read_opened(connection, table, list(now)).select(*columns)
    before = fingerprints(connection.con.sql(connection.compile(expression)))
    return {day for day, found in now.items() if before.get(day) != found}
