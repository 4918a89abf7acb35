"""Recognise how times are written, and propose the expression that reads them."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
from duckdb import DuckDBPyConnection

ISO = "ISO"
"""Form of times that need no expression."""

READABLE_SHARE = 0.5
"""Smallest share of values that a form must read to be proposed."""

TRIED = 40
"""Different shapes of values that are tried."""

DAY_OR_MONTH = ("%d", "%m")
"""What a form may begin with when day and month can change places; one with the year first is read in its order."""

REST = (
    r"(?:(?P<join>, |[T ])(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2})?(?P<fraction>\.\d+)?(?P<half> ?[AaPp][Mm])?)?"
    r"(?P<zone> ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
)
NUMERIC = re.compile(rf"(?P<a>\d{{1,4}})(?P<mark>[-/. ])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{1,4}}){REST}")
MONTH = re.compile(rf"(?P<a>\d{{1,2}})(?P<mark>[-/. ])(?P<b>[A-Za-z]{{3,9}})(?P=mark)(?P<c>\d{{2,4}}){REST}")
AMERICAN = re.compile(rf"(?P<b>[A-Za-z]{{3,9}}) (?P<a>\d{{1,2}}), (?P<c>\d{{4}}){REST}")
CHINESE = re.compile(rf"\d{{4}}年\d{{1,2}}月\d{{1,2}}日{REST}")

COUNTED = {
    r"(19|20)\d{6}": ("%Y%m%d", "strptime({}::VARCHAR, '%Y%m%d')"),
    r"(19|20)\d{12}": ("%Y%m%d%H%M%S", "strptime({}::VARCHAR, '%Y%m%d%H%M%S')"),
    r"1\d{9}(\.\d*)?": ("seconds since 1970", "to_timestamp({}::DOUBLE)"),
    r"1\d{12}(\.\d*)?": ("milliseconds since 1970", "to_timestamp({}::DOUBLE / 1000)"),
    r"1\d{15}(\.\d*)?": ("microseconds since 1970", "to_timestamp({}::DOUBLE / 1000000)"),
    r"1\d{18}(\.\d*)?": ("nanoseconds since 1970", "to_timestamp({}::DOUBLE / 1000000000)"),
    r"[2-7]\d{4}(\.\d*)?": (
        "days since 1899-12-30 (Excel)",
        "TIMESTAMP '1899-12-30' + to_seconds(round({}::DOUBLE * 86400))",
    ),
}
"""Numbers that are times: pattern of the number, name of the form, and SQL with {} for the column."""


def iso(text: str) -> str:
    """SQL that reads text in ISO form as an instant; the zone may stand apart: `2025-03-01 18:05:00 -0400`.

    The year has four digits: `13-01-25` is no time in the year 13. Reading other text gives null or fails.

    >>> duckdb.sql(f"SELECT {iso("'2025-03-01 18:05:00 -0400'")} = TIMESTAMPTZ '2025-03-01 22:05:00Z'").fetchone()
    (True,)
    """
    joined = f"regexp_replace({text}, '\\s+([+-]\\d\\d):?(\\d\\d)\\s*$', '\\1:\\2')"
    return f"CAST(CASE WHEN regexp_matches({text}, '^\\s*\\d\\d\\d\\d[-/]') THEN {joined} END AS TIMESTAMPTZ)"


class Reading(NamedTuple):
    """A form of times: its name, SQL with {} for the column, how many values it reads, and the first and last time."""

    form: str
    sql: str
    fits: int
    first: datetime
    last: datetime


def readings(values: Sequence[str]) -> list[Reading]:
    """Forms that read the most values, best first; several with as many if more than one order of day and month fits.

    >>> [reading.form for reading in readings(["13/02/2025 9:05", "01/02/2025 10:00"])]
    ['%d/%m/%Y %H:%M']
    >>> [reading.form for reading in readings(["01/02/25"])]
    ['%d/%m/%y', '%m/%d/%y']
    """
    present = [value.strip() for value in values if value and value.strip()]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tried = [_read(connection, form, sql, present) for form, sql in dict.fromkeys(_candidates(present))]
    found = [reading for reading in tried if reading]
    most = max((reading.fits for reading in found), default=0)
    if not most or most < READABLE_SHARE * len(present):
        return []
    best = {reading.form.replace("%B", "%b"): reading for reading in reversed(found) if reading.fits == most}
    first, *others = reversed(best.values())
    return [first, *(other for other in others if first.form[:2] in DAY_OR_MONTH and other.form[:2] in DAY_OR_MONTH)]


def _candidates(values: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Forms and SQL that the shapes of the values suggest."""
    if any(re.match(r"\d{4}-\d", value) for value in values):
        yield ISO, iso("{}")
    shapes: dict[str, str] = {}
    for value in values:
        shapes.setdefault(re.sub("[A-Za-z]{3,}", "a", re.sub(r"\d", "0", value)), value)
    for value in list(shapes.values())[:TRIED]:
        for pattern, (form, sql) in COUNTED.items():
            if re.fullmatch(pattern, value):
                yield form, sql
        for form in _formats(value):
            yield form, f"strptime({{}}, '{form}')"


def _formats(value: str) -> Iterator[str]:
    """Formats of strptime that fit the shape of a value."""
    if found := NUMERIC.fullmatch(value):
        mark = found["mark"]
        for order in _orders(found["a"], found["c"]):
            yield mark.join(order) + _rest(found)
    for pattern in (MONTH, AMERICAN):
        if found := pattern.fullmatch(value):
            year = "%Y" if len(found["c"]) == len("2025") else "%y"
            for month in ("%b", "%B"):
                day = f"{month} %d, {year}" if pattern is AMERICAN else found["mark"].join(("%d", month, year))
                yield day + _rest(found)
    if found := CHINESE.fullmatch(value):
        yield "%Y年%m月%d日" + _rest(found)


def _orders(first: str, last: str) -> tuple[tuple[str, str, str], ...]:
    if len(first) > len("25"):
        return (("%Y", "%m", "%d"), ("%Y", "%d", "%m"))
    if len(last) > len("25"):
        return (("%d", "%m", "%Y"), ("%m", "%d", "%Y"))
    return (("%d", "%m", "%y"), ("%m", "%d", "%y"), ("%y", "%m", "%d"))


def _rest(found: re.Match[str]) -> str:
    """Format of the time of day and the zone."""
    zone = found["zone"] or ""
    written = " " * zone.startswith(" ") + ("%Z" if "UTC" in zone else "%z" * bool(zone))
    if not found["hour"]:
        return written
    seconds = ":%S" * bool(found["second"]) + ".%f" * bool(found["fraction"])
    half = found["half"] or ""
    hour = "%I" if half else "%H"
    return f"{found['join']}{hour}:%M{seconds}{' ' * half.startswith(' ')}{'%p' * bool(half)}{written}"


def _read(connection: DuckDBPyConnection, form: str, sql: str, values: Sequence[str]) -> Reading | None:
    """Read the values by a form; None if it reads none."""
    read = f"TRY(CAST({sql.replace('{}', 'value')} AS TIMESTAMP))"
    row = connection.execute(
        f"SELECT count(moment), min(moment), max(moment) "  # noqa: S608 - forms of this file
        f"FROM (SELECT {read} AS moment FROM unnest(?) AS given(value))",
        [list(values)],
    ).fetchone()
    return Reading(form, sql, *row) if row and row[0] else None
