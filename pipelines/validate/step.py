"""Step `validate`: move staged rows that break a critical rule to quarantine, and the others to the raw tables."""

from datetime import date, timedelta
from functools import partial
from itertools import chain

import pyarrow as pa
from ibis.backends.duckdb import Backend

from features.schema import TABLES
from pipelines.errors import NothingToDo, PurseError
from pipelines.lake import commit_log
from pipelines.lake import tables as lake
from pipelines.lake.changes import changed_days
from pipelines.results.data import Validated, ValidatedRows
from pipelines.settings import Settings
from pipelines.source.rules import OwnRules
from pipelines.validate.days import Days, code, days_to_judge, fingerprint
from pipelines.validate.judge import judge
from pipelines.validate.outlying_days import near_days
from pipelines.validate.proposals import write_profile
from pipelines.validate.verdicts import Judged

A_DAY = timedelta(days=1)


def validate(settings: Settings, from_date: date | None = None, to_date: date | None = None) -> Validated:
    """Judge staged rows: those with `from_date <= day < to_date`, or those that changed since they were judged last.

    Rows without a readable time belong to every range. Quarantine is written before the raw tables: after a crash in
    between no row is missing from both, and a rerun, which starts from staging, writes both again. Of the raw tables
    only the days are written whose kept rows are others than before.

    Args:
        settings: names the lake; `ingest.max_quarantined_share` is the limit.
        from_date: the first day; None: without `to_date` what changed, and the newest day; with it the first.
        to_date: the day after the last; None: the day after the last staged day.

    Returns:
        from_date, to_date, snapshot_date (the day after the newest raw day, which is the date to score also after a
        backfill of older days), data_docs (page of the order lines), warnings, and per table rows_in, rows_kept,
        rows_quarantined, days_written and `reasons` (rows by broken rule), all of the days that were judged.

    Raises:
        NothingToDo: these days have no orders; all tables have been written, and what follows has nothing new.
        PurseError: nothing is staged, a file of rules is wrong, or too large a share of a table breaks a critical rule:
            then quarantine is written and the raw tables are not.
    """
    own = OwnRules(settings)
    connection = lake.connect()
    names = [name for name in TABLES if lake.exists(settings, f"staging/{name}")]
    days = {}
    for name in names:
        rules = fingerprint([code(), own.text(name)])
        days[name] = days_to_judge(settings, connection, TABLES[name], rules, from_date, to_date)
    start, end = _period(settings, days, from_date, to_date)
    judged = []
    for name in names:
        into = partial(_quarantine, settings, name)
        judged.append(judge(settings, connection, TABLES[name], days[name], partial(own.rules, name), end, into))
    if faults := [fault for one in judged if (fault := _above_limit(settings, one, start, end))]:
        raise PurseError("\n".join(faults))
    new = [name for name in names if not lake.exists(settings, f"raw/{name}")]
    written = {one.table.name: _keep(settings, connection, one) for one in judged}
    for name in new:
        write_profile(settings, name)
    if not any(one.kept(undated=False) for one in judged if one.table.name == "order_lines"):
        raise NothingToDo(
            f"Source '{settings.source}' has no orders from {start} up to, and without, {end}: there is nothing new to "
            "score. If there should be, check the source and run 'purse ingest' for these days again."
        )
    return Validated(
        from_date=start,
        to_date=end,
        snapshot_date=lake.days(settings, "raw/order_lines")[-1] + A_DAY,
        tables={one.table.name: _counts(one, written[one.table.name]) for one in judged},
        warnings=[one.report.describe(result) for one in judged for result in one.report.failed("warning")],
        data_docs=str(judged[0].report.data_docs),
    )


def _period(settings: Settings, tables: dict[str, Days], start: date | None, end: date | None) -> tuple[date, date]:
    """What was asked for, or from the first judged day to the last, days far from all others aside."""
    days: list[date] = []
    for found in tables.values():
        near = near_days(commit_log.row_counts(found.staged))
        days += [day for day in found.judged if near and near[0] <= day <= near[1] and day != lake.UNDATED]
    days.sort()
    if not days and not (start and end):
        raise PurseError(f"The lake at {settings.lake} holds no such staged days. Run 'purse ingest' first.")
    start, end = start or days[0], end or days[-1] + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} up to, and without, {end}. Give a later --to.")
    return start, end


def _quarantine(settings: Settings, name: str, days: list[date], rows: pa.Table) -> None:
    """Replace the quarantined rows of some days."""
    if days:
        lake.replace_days(settings, f"quarantine/{name}", rows.to_reader, days, {})


def _keep(settings: Settings, connection: Backend, judged: Judged) -> int:
    """Write the days of a raw table whose kept rows are others than before; say how many."""
    name, days, prints = f"raw/{judged.table.name}", judged.days, judged.prints
    changed = set(prints)
    if lake.exists(settings, name):
        raw = lake.open_table(settings, name)
        emptied = {*days.judged, *days.gone} - set(prints)
        changed = changed_days(connection, raw, judged.portions[0].kept.columns, prints)
        changed |= emptied & set(commit_log.files(raw))
    chosen = [portion.kept for portion in judged.portions if changed & set(portion.prints)]
    first, *others = [rows.filter(rows.day.isin(sorted(changed))) for rows in chosen] or [
        judged.portions[0].kept.limit(0)
    ]

    def stream() -> pa.RecordBatchReader:
        begun = lake.stream(connection, first)
        rest = (batch for rows in others for batch in lake.stream(connection, rows))
        return pa.RecordBatchReader.from_batches(begun.schema, chain(begun, rest))

    # without a changed day the commit says only what was judged
    lake.replace_days(settings, name, stream, changed or {date.max}, days.state)
    return len(changed)


def _above_limit(settings: Settings, judged: Judged, start: date, end: date) -> str | None:
    """What to tell when the quarantined share is too large.

    Rows without a time belong to no period, and are staged whole each time: they are measured against all staged rows.
    """
    limit, name = settings.ingest.max_quarantined_share, judged.table.name
    kept, bad = judged.kept(undated=False), judged.faulty(undated=False)
    undated = judged.faulty(undated=True)
    first = next((portion.first_bad for portion in judged.portions if portion.first_bad), None)
    if first is None or (bad <= limit * (kept + bad) and undated <= limit * judged.staged_rows):
        return None
    reasons = ", ".join(f"{rule} ({count:,})" for rule, count in judged.reasons.items())
    return (
        f"Source '{settings.source}', table '{name}': of the rows from {start} up to {end}, {bad:,} of {kept + bad:,} "
        f"break a critical rule, and {undated:,} of all {judged.staged_rows:,} have no readable time; "
        f"ingest.max_quarantined_share allows {limit:.1%}. Broken rules: {reasons}; "
        f"first in {first['source_file']} line {first['source_line']}: {first['fault'] or first['reason']}. "
        f"They are in quarantine/{name} (see {judged.report.data_docs}), and the raw tables are as they were; "
        "correct the source and run 'purse ingest' and 'purse validate' again, or raise ingest.max_quarantined_share."
    )


def _counts(judged: Judged, days_written: int) -> ValidatedRows:
    kept, quarantined = (
        sum(count(undated=undated) for undated in (True, False)) for count in (judged.kept, judged.quarantined)
    )
    return ValidatedRows(
        rows_in=kept + quarantined,
        rows_kept=kept,
        rows_quarantined=quarantined,
        reasons=dict(judged.reasons),
        days_written=days_written,
    )
