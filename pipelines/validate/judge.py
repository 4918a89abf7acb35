"""Judge the staged rows of one table: which are kept, which go to quarantine and why.

Days are judged in portions, so that memory does not grow with the range. The rows that are kept are computed again when
they are written: only the rows of one portion are ever held.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends.duckdb import Backend

from expectations.rules import Rule
from expectations.runner import validate
from expectations.staged import Known
from expectations.suites import SUITES, broken_rules
from features.schema import Table
from pipelines.lake import commit_log, tables
from pipelines.lake.changes import fingerprints
from pipelines.settings import Settings
from pipelines.validate.copies import with_copies, with_strangers
from pipelines.validate.day_measures import Measured, day_measures
from pipelines.validate.days import Days, rows_before
from pipelines.validate.outlying_days import near_days
from pipelines.validate.verdicts import Judged, Portion

ROWS_AT_ONCE = 2_000_000
"""A portion has about so many rows: 2 GB in pandas, which Great Expectations reads."""

A_DAY = timedelta(days=1)


def judge(
    settings: Settings,
    connection: Backend,
    table: Table,
    days: Days,
    own_rules: Callable[[tuple[str, ...]], tuple[Rule, ...]],
    end: date,
    quarantine: Callable[[list[date], pa.Table], None],
) -> Judged:
    """Judge the rows of some days.

    Args:
        settings: name the lake and the Data Docs.
        connection: of `lake.connect`.
        table: which.
        days: of its staging table.
        own_rules: takes the columns that are there and gives the rules that a person wrote.
        end: the exclusive end of the period, which names the page.
        quarantine: takes days and their rows that break a critical rule, with the `reason`; called once per portion.
    """
    counts = commit_log.row_counts(days.staged)
    cut, near = _cut(days.judged, counts), near_days(counts)
    ends = [*(portion[-1] + A_DAY for portion in cut[:-1]), end]
    judged: list[Portion] = []
    for portion, until in zip(cut, ends, strict=True):
        given = tables.read_opened(connection, days.staged, portion)
        numbered = with_copies(given, rows_before(connection, table, days.staged, portion), table)
        referring = with_strangers(settings, connection, numbered) if table.is_log else numbered
        known = _known(settings, table, near, until)
        rules = SUITES[table.name](tuple(referring.columns), known)
        rules += own_rules(tuple(given.columns))
        rows = referring.mutate(reason=broken_rules(referring, rules)).to_pyarrow()
        frame = rows.select(sorted({column for rule in rules for column in rule.columns})).to_pandas()
        measured = [day for day in portion if day == tables.UNDATED or near is None or near[0] <= day <= near[1]]
        measures = day_measures(Measured(settings, connection, table, days.staged), measured)
        report = validate(frame, rules, table.name, until, settings.data_docs, measures)
        bad = rows.filter(pc.is_valid(rows["reason"])).select([*given.columns, "reason"])
        # days that are no longer staged lose their rows as well
        quarantine(portion if judged else [*portion, *days.gone], bad)
        canonical = [*(column.name for column in table.columns if column.name in given.columns), "day"]
        good = rows.filter(pc.is_null(rows["reason"])).select(canonical)
        kept = numbered.filter(broken_rules(numbered, rules).isnull()).select(canonical)
        judged.append(Portion.of(kept, fingerprints(connection.con.from_arrow(good)), bad, report))
    return Judged(table, days, sum(counts.values()), tuple(judged))


def _cut(days: Sequence[date], counts: Mapping[date, int]) -> list[list[date]]:
    """The days in portions of about ROWS_AT_ONCE rows; one portion without days where there is none."""
    cut: list[list[date]] = [[]]
    rows = 0
    for day in days:
        if cut[-1] and rows + counts.get(day, 0) > ROWS_AT_ONCE:
            cut.append([])
            rows = 0
        cut[-1].append(day)
        rows += counts.get(day, 0)
    return cut


def _known(settings: Settings, table: Table, near: tuple[date, date] | None, end: date) -> Known:
    """Between which times rows of a log lie that are not far from the others, and how new the newest should be."""
    if not table.is_log or near is None:
        return Known()
    since = end - timedelta(days=settings.ingest.max_staleness_days or 1)
    return Known(*(datetime.combine(day, time()) for day in (near[0], near[1] + A_DAY, since)))
