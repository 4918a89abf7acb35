"""Validate the staged rows of one table: accept them, or quarantine them with a reason.

Days are validated in portions, which bounds memory. Accepted rows are computed again when they are written, so memory
holds the rows of one portion only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from math import isfinite

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from expectations.rules import Rule
from expectations.runner import validate
from expectations.staged import NOBODYS, OF_SOMEBODY, Known
from expectations.suites import SUITES, broken_rules
from features.schema import Table
from pipelines.lake import commit_log, tables
from pipelines.lake.changes import fingerprints
from pipelines.lake.losses import sizes
from pipelines.lake.outlying_days import near_days
from pipelines.settings import Settings
from pipelines.validate.copies import with_copies, with_unknown_ids
from pipelines.validate.day_measures import Measured, day_measures
from pipelines.validate.days import Days, rows_before
from pipelines.validate.verdicts import Portion, TableVerdict

ROWS_AT_ONCE = 2_000_000
"""Approximate rows per portion: 2 GB in pandas, which Great Expectations reads."""

A_DAY = timedelta(days=1)


def validate_table(
    settings: Settings,
    connection: Backend,
    table: Table,
    days: Days,
    own_rules: Callable[[tuple[str, ...]], tuple[Rule, ...]],
    end: date,
    quarantine: Callable[[list[date], pa.Table], None],
    today: date | None = None,
) -> TableVerdict:
    """Validate the rows of the selected days.

    Args:
        settings: name the lake and the Data Docs.
        connection: from `lake.connect`.
        table: canonical table to validate.
        days: selected days of its staging table.
        own_rules: returns the shop's own rules for the columns present.
        end: exclusive end of the period; it names the page in the Data Docs.
        quarantine: receives days and their rows that break a critical rule, with `reason`; called once per portion.
        today: the shop's current day; later days are outlying. None: the shop has no clock.
    """
    counts = commit_log.row_counts(days.staged)
    portions, near = _split(days.selected, counts), near_days(counts, today)
    ends = [*(portion[-1] + A_DAY for portion in portions[:-1]), end]
    usual = _usual_amount(connection, table, days)
    verdicts: list[Portion] = []
    for portion, until in zip(portions, ends, strict=True):
        given = tables.read_opened(connection, days.staged, portion)
        numbered = with_copies(given, rows_before(connection, table, days.staged, portion), table)
        referring = with_unknown_ids(settings, connection, numbered) if table.is_log else numbered
        known = replace(_known(settings, table, near, until), usual_amount=usual)
        rules = SUITES[table.name](tuple(referring.columns), known)
        rules += own_rules(tuple(given.columns))
        reason = ibis.ifelse(referring.fault == NOBODYS, OF_SOMEBODY, broken_rules(referring, rules))
        rows = referring.mutate(reason=reason).to_pyarrow()
        frame = rows.select(sorted({column for rule in rules for column in rule.columns})).to_pandas()
        measured = [day for day in portion if day == tables.UNDATED or near is None or near[0] <= day <= near[1]]
        measures = day_measures(Measured(settings, connection, table, days.staged), measured, until)
        since = next((day for day in portion if day != tables.UNDATED), None)
        report = validate(frame, rules, table.name, until, settings.data_docs, measures, since)
        bad = rows.filter(pc.is_valid(rows["reason"])).select([*given.columns, "reason"])
        # the first portion also clears the days that are no longer staged
        quarantine(portion if verdicts else [*portion, *days.removed], bad)
        canonical = [*(column.name for column in table.columns if column.name in given.columns), "day"]
        good = rows.filter(pc.is_null(rows["reason"])).select(canonical)
        accepted = numbered.filter(broken_rules(numbered, rules).isnull()).select(canonical)
        taken = connection.con.from_arrow(good)
        verdicts.append(Portion.of(accepted, fingerprints(taken), sizes(taken), (good, bad), report))
    return TableVerdict(table, days, sum(counts.values()), tuple(verdicts))


def _split(days: Sequence[date], counts: Mapping[date, int]) -> list[list[date]]:
    """Split days into portions of about ROWS_AT_ONCE rows; no days give one empty portion."""
    portions: list[list[date]] = [[]]
    rows = 0
    for day in days:
        if portions[-1] and rows + counts.get(day, 0) > ROWS_AT_ONCE:
            portions.append([])
            rows = 0
        portions[-1].append(day)
        rows += counts.get(day, 0)
    return portions


def _usual_amount(connection: Backend, table: Table, days: Days) -> float | None:
    """Median size of all staged amounts: those of one small day say little."""
    if "amount" not in (column.name for column in table.columns) or not days.selected:
        return None
    staged = tables.read_opened(connection, days.staged, commit_log.files(days.staged))
    found = staged.aggregate(usual=staged.amount.abs().nullif(0).approx_median()).to_pyarrow()["usual"][0].as_py()
    return float(found) if found is not None and isfinite(found) else None


def _known(settings: Settings, table: Table, near: tuple[date, date] | None, end: date) -> Known:
    """Time range of a log without outlying days, and the maximum staleness of its newest row."""
    if not table.is_log or near is None:
        return Known()
    since = end - timedelta(days=settings.ingest.max_staleness_days or 1)
    earliest, latest, fresh = (datetime.combine(day, time()) for day in (near[0], near[1] + A_DAY, since))
    return Known(earliest, latest, fresh)
