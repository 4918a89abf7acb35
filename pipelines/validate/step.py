"""Step `validate`: write staged rows that break a critical rule to quarantine, and the others to the raw tables."""

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
from pipelines.lake.marks import raw_mark
from pipelines.lake.missing import warnings as missing_warnings
from pipelines.lake.outlying_days import near_days
from pipelines.results.data import Validated, ValidatedRows
from pipelines.settings import Settings
from pipelines.source.days import complete_until, is_live
from pipelines.source.rules import OwnRules
from pipelines.validate.days import Days, code, days_to_validate, fingerprint
from pipelines.validate.judge import validate_table
from pipelines.validate.limits import above_limit, quarantined
from pipelines.validate.lost_days import kept_days, lost_days
from pipelines.validate.odd_ids import find_odd_ids
from pipelines.validate.proposals import write_profile
from pipelines.validate.repeats import repeats
from pipelines.validate.verdicts import TableVerdict

A_DAY = timedelta(days=1)


def validate(
    settings: Settings,
    from_date: date | None = None,
    to_date: date | None = None,
    today: date = date.max,
    *,
    replace: bool = False,
) -> Validated:
    """Validate staged rows with `from_date <= day < to_date`, or every day that changed since the last validation.

    Rows without a readable time belong to every range. Quarantine is written before the raw tables: after a crash in
    between no row is missing from both, and a rerun, which starts from staging, writes both again. Raw days are
    written only if their accepted rows have changed.

    Args:
        settings: name the lake; `ingest.max_quarantined_share` is the limit.
        from_date: first day. None: the first staged day if `to_date` is given, otherwise the changed and newest days.
        to_date: exclusive last day. None: the day after the last staged day.
        today: the shop's current day, which isn't over.
        replace: also shrink raw days, and delete those that are no longer staged.

    Returns:
        from_date, to_date, snapshot_date (the day after the newest raw day that is over: the date to score, also after
        a backfill of older days), data_docs (page of the order lines), warnings, and per table rows_in, rows_kept,
        rows_quarantined, days_written and `reasons` (rows by broken rule), all for the validated days.

    Raises:
        NothingToDo: these days have no orders; all tables are written, and later steps have nothing new to do.
        PurseError: nothing is staged, a rule file is invalid, the quarantined share of a table is too large, a new day
            has only unknown ids or no purchases, or a raw day would lose too much; in the last three cases quarantine
            is written and the raw tables are unchanged.
    """
    own = OwnRules(settings)
    connection = lake.connect()
    clock = today if is_live(settings) else None
    names = [name for name in TABLES if lake.exists(settings, f"staging/{name}")]
    days = {}
    for name in names:
        rules = fingerprint([code(), own.text(name)])
        days[name] = days_to_validate(
            settings, connection, TABLES[name], rules, from_date, to_date, clock, replace=replace
        )
    start, end = _period(settings, days, from_date, to_date, clock)
    verdicts = []
    for name in names:
        into = partial(_quarantine, settings, name)
        own_rules = partial(own.rules, name)
        verdicts.append(validate_table(settings, connection, TABLES[name], days[name], own_rules, end, into, clock))
    if faults := [fault for verdict in verdicts if (fault := above_limit(settings, verdict, start, end))]:
        raise PurseError("\n".join(faults))
    if strange := [text for verdict in verdicts if (text := _strange_days(settings, verdict))]:
        raise PurseError("\n".join(strange))
    if not replace and (lost := [text for verdict in verdicts if (text := lost_days(settings, connection, verdict))]):
        raise PurseError("\n".join(lost))
    new = [name for name in names if not lake.exists(settings, f"raw/{name}")]
    written = {verdict.table.name: _store(settings, connection, verdict) for verdict in verdicts}
    for name in new:
        write_profile(settings, name)
    if not any(verdict.accepted(undated=False) for verdict in verdicts if verdict.table.name == "order_lines"):
        raise NothingToDo(
            f"Source '{settings.source}' has no orders from {start} to {end} (exclusive): there is nothing new to "
            "score. If you expect orders, check the source and run 'purse ingest' for these days again."
        )
    bounded = lake.connect()
    lake.bound(bounded, settings)
    odd = find_odd_ids(settings, bounded)
    odd["order_lines"] += repeats(settings, bounded, days["order_lines"].selected)
    tables = {v.table.name: _counts(settings, v, written[v.table.name], odd.get(v.table.name, [])) for v in verdicts}
    return Validated(
        from_date=start,
        to_date=end,
        snapshot_date=complete_until(settings, lake.days(settings, "raw/order_lines")[-1] + A_DAY, today),
        mark=raw_mark(settings),
        tables=tables,
        warnings=[*(text for counts in tables.values() for text in counts.warnings), *missing_warnings(settings)],
        data_docs=str(verdicts[0].report.data_docs),
    )


def _period(
    settings: Settings, tables: dict[str, Days], start: date | None, end: date | None, clock: date | None
) -> tuple[date, date]:
    """Requested period, or the first to the last selected day without outlying days.

    Raises:
        PurseError: no such day is staged, or the period is empty.
    """
    dated: list[date] = []
    for days in tables.values():
        near = near_days(commit_log.row_counts(days.staged), clock)
        dated += [day for day in days.selected if near and near[0] <= day <= near[1] and day != lake.UNDATED]
    dated.sort()
    if not dated and not (start and end):
        raise PurseError(f"The lake at {settings.lake} has no staged rows in these days. Run 'purse ingest' first.")
    start, end = start or dated[0], end or dated[-1] + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} to {end} (exclusive). Give a later --to.")
    return start, end


def _quarantine(settings: Settings, name: str, days: list[date], rows: pa.Table) -> None:
    """Replace the quarantined rows of these days."""
    if days:
        lake.replace_days(settings, f"quarantine/{name}", rows.to_reader, days, {})


def _store(settings: Settings, connection: Backend, verdict: TableVerdict) -> int:
    """Write the raw days whose accepted rows have changed; return their number."""
    name, days, prints = f"raw/{verdict.table.name}", verdict.days, verdict.prints
    changed = set(prints)
    if lake.exists(settings, name):
        raw = lake.open_table(settings, name)
        emptied = {*days.selected, *days.removed} - set(prints)
        changed = changed_days(connection, raw, verdict.portions[0].accepted.columns, prints)
        changed |= emptied & set(commit_log.files(raw))
    chosen = [portion.accepted for portion in verdict.portions if changed & set(portion.prints)]
    first, *others = [rows.filter(rows.day.isin(sorted(changed))) for rows in chosen] or [
        verdict.portions[0].accepted.limit(0)
    ]

    def stream() -> pa.RecordBatchReader:
        opened = lake.stream(connection, first)
        rest = (batch for rows in others for batch in lake.stream(connection, rows))
        return pa.RecordBatchReader.from_batches(opened.schema, chain(opened, rest))

    # without a changed day the commit only stores the state of this validation
    lake.replace_days(settings, name, stream, changed or {date.max}, days.state)
    return len(changed)


def _strange_days(settings: Settings, verdict: TableVerdict) -> str | None:
    """Error message for new days with unknown ids or without purchases, otherwise None."""
    found = [result for result in verdict.report.failed("critical") if result.unit == "days"]
    if not found:
        return None
    listed = "; ".join(map(verdict.report.describe, found))
    return (
        f"Source '{settings.source}': {listed}. Did the format of ids or amounts change? The raw tables are unchanged. "
        "Correct the source and run 'purse ingest' and 'purse validate' again. If these days are right, validate them "
        "once with PURSE_INGEST__MIN_USUAL_SHARE=0."
    )


def _counts(settings: Settings, verdict: TableVerdict, days_written: int, odd: list[str]) -> ValidatedRows:
    accepted, quarantined = (
        sum(count(undated=undated) for undated in (True, False)) for count in (verdict.accepted, verdict.quarantined)
    )
    return ValidatedRows(
        rows_in=accepted + quarantined,
        rows_kept=accepted,
        rows_quarantined=quarantined,
        reasons=dict(verdict.reasons),
        days_written=days_written,
        warnings=[*_warnings(settings, verdict), *odd],
        data_docs=str(verdict.report.data_docs),
    )


def _warnings(settings: Settings, verdict: TableVerdict) -> list[str]:
    """Broken rules that only warn, what quarantine took, and days kept though the source has lost their rows."""
    report = verdict.report
    return [*map(report.describe, report.failed("warning")), *quarantined(verdict), *kept_days(settings, verdict)]
