"""Days that the lake's logs lack between the days that it holds."""

from collections.abc import Sequence
from datetime import date, timedelta

from expectations.missing_days import missing_days
from features.schema import TABLES
from pipelines.lake import commit_log, tables
from pipelines.lake.outlying_days import near_days
from pipelines.settings import Settings

A_DAY = timedelta(days=1)


def missing(settings: Settings, name: str) -> list[date]:
    """Days of a log without staged and raw rows, although their weekday usually has some; see `missing_days`.

    Public holidays of `country` and `ingest.closed_days` are not missing.
    """
    if not TABLES[name].is_log:
        return []
    rows: dict[date, int] = {}
    for table in (f"raw/{name}", f"staging/{name}"):
        if tables.exists(settings, table):
            for day, count in commit_log.row_counts(tables.open_table(settings, table)).items():
                rows[day] = max(rows.get(day, 0), count)
    near = near_days(rows)
    if near is None:
        return []
    rows = {day: count for day, count in rows.items() if near[0] <= day <= near[1] and day != tables.UNDATED}
    closed = set(settings.ingest.closed_days) | _holidays(settings, {day.year for day in rows})
    return missing_days(rows, closed)


def spans(days: Sequence[date]) -> list[tuple[date, date]]:
    """Join days in order to ranges, the last day exclusive.

    >>> spans([date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 9)])[0]
    (datetime.date(2024, 1, 1), datetime.date(2024, 1, 3))
    """
    result: list[tuple[date, date]] = []
    for day in days:
        if result and result[-1][1] == day:
            result[-1] = (result[-1][0], day + A_DAY)
        else:
            result.append((day, day + A_DAY))
    return result


def named(days: Sequence[date]) -> str:
    """Name days in order as ranges.

    >>> named([date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 9)])
    '2024-01-01 to 2024-01-02, 2024-01-09'
    """
    return ", ".join(f"{first} to {end - A_DAY}" if end - first > A_DAY else str(first) for first, end in spans(days))


def warnings(settings: Settings) -> list[str]:
    """Name the missing days of each loaded log."""
    result = []
    for name in TABLES:
        if days := missing(settings, name):
            one = len(days) == 1
            result.append(
                f"{name}: {len(days):,} {'day' if one else 'days'} between loaded ones {'has' if one else 'have'} no "
                f"rows, although the weekday usually has some: {named(days)}. The next 'purse ingest' without --from "
                "loads them if the source has them; if the shop was closed, list them in ingest.closed_days."
            )
    return result


def _holidays(settings: Settings, years: set[int]) -> set[date]:
    if not settings.country or not years:
        return set()
    import holidays  # imported late: it takes long

    return set(holidays.country_holidays(settings.country, years=sorted(years)))
