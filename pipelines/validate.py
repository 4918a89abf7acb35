"""Step `validate`: move staged rows that break a critical rule to quarantine, and the others to the raw tables."""

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from expectations import features, predictions, runner
from features.definitions import FEATURES
from features.schema import TABLES
from pipelines import lake
from pipelines.errors import NothingToDo, PurseError
from pipelines.judge import Judged, judge
from pipelines.settings import Settings

A_DAY = timedelta(days=1)


def validate(settings: Settings, from_date: date | None = None, to_date: date | None = None) -> dict[str, Any]:
    """Judge the staged rows with `from_date <= day < to_date`, and those without a readable time.

    Quarantine is written before the raw tables: after a crash in between no row is missing from both, and a rerun,
    which starts from staging, writes both again.

    Args:
        settings: names the lake; `ingest.max_quarantined_share` is the limit.
        from_date: the first day; None: the first staged day.
        to_date: the day after the last; None: the day after the last staged day.

    Returns:
        from_date, to_date, snapshot_date (the day after the newest raw day, which is the date to score also after a
        backfill of older days), data_docs (page of the order lines), warnings, and per table rows_in, rows_kept,
        rows_quarantined and `reasons` (rows by broken rule).

    Raises:
        NothingToDo: the period has no orders; all tables have been written, and what follows has nothing new.
        PurseError: nothing is staged, or too large a share of a table breaks a critical rule: then quarantine is
            written and the raw tables are not.
    """
    names = [name for name in TABLES if lake.exists(settings, f"staging/{name}")]
    start, end = _period(settings, names, from_date, to_date)
    connection = lake.connect()
    judged = [judge(settings, connection, TABLES[name], start, end) for name in names]
    for one in judged:
        _replace(settings, f"quarantine/{one.table.name}", one.quarantined, start, end)
    if faults := [fault for one in judged if (fault := _above_limit(settings, one, start, end))]:
        raise PurseError("\n".join(faults))
    for one in judged:
        _replace(settings, f"raw/{one.table.name}", one.kept, start, end)
    if not any(_dated(one.kept) for one in judged if one.table.name == "order_lines"):
        raise NothingToDo(
            f"Source '{settings.source}' has no orders from {start} up to, and without, {end}: there is nothing new to "
            "score. If there should be, check the source and run 'purse ingest' for these days again."
        )
    return {
        "from_date": start.isoformat(),
        "to_date": end.isoformat(),
        "snapshot_date": (lake.days(settings, "raw/order_lines")[-1] + A_DAY).isoformat(),
        "tables": {one.table.name: _counts(one) for one in judged},
        "warnings": [line for one in judged for line in _warnings(one, start, end)],
        "data_docs": str(judged[0].report.data_docs),
    }


def check(settings: Settings, frame: pd.DataFrame, suite: str, snapshot_date: date) -> dict[str, Any]:
    """Check a table that a step is about to write.

    Args:
        settings: says where the Data Docs are.
        frame: the rows, with snapshot_date and user_id.
        suite: "features" or "predictions".
        snapshot_date: of the run; a rerun replaces its page in the Data Docs.

    Returns:
        data_docs (its page) and warnings (one line each).

    Raises:
        PurseError: a critical rule is broken; the caller must not write.
    """
    columns = tuple(frame.columns)
    rules = features.suite(FEATURES, columns) if suite == "features" else predictions.suite(columns)
    report = runner.validate(frame, rules, suite, snapshot_date, settings.data_docs)
    if broken := report.failed("critical"):
        lines = "\n  ".join(map(report.describe, broken))
        raise PurseError(
            f"The {suite} of {snapshot_date} break critical rules and were not written; what was there stays:\n"
            f"  {lines}\nSee {report.data_docs}. If the raw tables look right, correct the code that computes it."
        )
    return {"data_docs": str(report.data_docs), "warnings": [report.describe(one) for one in report.failed("warning")]}


def _period(settings: Settings, names: list[str], start: date | None, end: date | None) -> tuple[date, date]:
    days = sorted(day for name in names for day in lake.days(settings, f"staging/{name}"))
    if not days:
        raise PurseError(f"The lake at {settings.lake} holds no staged days. Run 'purse ingest' first.")
    start, end = start or days[0], end or days[-1] + A_DAY
    if start >= end:
        raise PurseError(f"The range is empty: from {start} up to, and without, {end}. Give a later --to.")
    return start, end


def _replace(settings: Settings, table: str, rows: pa.Table, start: date, end: date) -> None:
    undated = pc.equal(rows["day"], lake.UNDATED)
    lake.replace_changed(settings, table, rows.filter(pc.invert(undated)), start, end)
    lake.replace_changed(settings, table, rows.filter(undated), lake.UNDATED, lake.UNDATED + A_DAY)


def _above_limit(settings: Settings, judged: Judged, start: date, end: date) -> str | None:
    """What to tell when the quarantined share is too large.

    Rows without a time belong to no period, and are staged whole each time: they are measured against all staged rows.
    """
    limit, name = settings.ingest.max_quarantined_share, judged.table.name
    kept, bad = _dated(judged.kept), _dated(judged.quarantined)
    undated = judged.quarantined.num_rows - bad
    if bad <= limit * (kept + bad) and undated <= limit * judged.staged_rows:
        return None
    places = [("source_file", "ascending"), ("source_line", "ascending")]
    first = judged.quarantined.sort_by(places).slice(0, 1).to_pylist()[0]
    reasons = ", ".join(f"{rule} ({count:,})" for rule, count in judged.reasons.items())
    return (
        f"Source '{settings.source}', table '{name}': of the rows from {start} up to {end}, {bad:,} of {kept + bad:,} "
        f"break a critical rule, and {undated:,} of all {judged.staged_rows:,} have no readable time; "
        f"ingest.max_quarantined_share allows {limit:.1%}. Broken rules: {reasons}; "
        f"first in {first['source_file']} line {first['source_line']}: {first['fault'] or first['reason']}. "
        f"They are in quarantine/{name} (see {judged.report.data_docs}), and the raw tables are as they were; "
        "correct the source and run 'purse ingest' and 'purse validate' again, or raise ingest.max_quarantined_share."
    )


def _dated(rows: pa.Table) -> int:
    return int(pc.sum(pc.not_equal(rows["day"], lake.UNDATED)).as_py() or 0)


def _counts(judged: Judged) -> dict[str, Any]:
    kept, quarantined = judged.kept.num_rows, judged.quarantined.num_rows
    return {
        "rows_in": kept + quarantined,
        "rows_kept": kept,
        "rows_quarantined": quarantined,
        "reasons": judged.reasons,
    }


def _warnings(judged: Judged, start: date, end: date) -> list[str]:
    """The broken warnings, and the days without an order; users and products may well not change for days."""
    lines = [judged.report.describe(result) for result in judged.report.failed("warning")]
    if judged.table.name != "order_lines":
        return lines
    days = {start + A_DAY * n for n in range((end - start).days)}
    if empty := sorted(days - set(judged.kept["day"].unique().to_pylist())):
        lines.append(f"order_lines: {len(empty):,} of {len(days):,} days have no rows, from {empty[0]} to {empty[-1]}")
    return lines
