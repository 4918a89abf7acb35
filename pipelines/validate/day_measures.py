"""Measures of a table's staged days for the rules about days: volume, and distributions against the days before."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce
from operator import add
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from deltalake import DeltaTable
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from expectations import by_day
from expectations.runner import Part
from expectations.shift import BINS, REFERENCE_DAYS, shift, shift_between, volume, volume_between
from features.schema import MISSING, Table
from pipelines.lake import commit_log, tables
from pipelines.settings import Settings
from pipelines.validate.day_shares import shares_of_usual

A_DAY = timedelta(days=1)
VALUES = 50
"""Categories compared per column, most frequent first; the rest are pooled."""


class Measured(NamedTuple):
    """Staged table to measure, as opened, and the lake with its raw table."""

    settings: Settings
    connection: Backend
    table: Table
    staged: DeltaTable


def day_measures(of: Measured, days: Sequence[date], end: date) -> Part | None:
    """Measure the given days, and the days of a log between them and up to `end` (exclusive) that have no rows.

    A table without times is delivered whole as one day, `lake.UNDATED`, and compared with its raw table.

    Returns:
        The measures (`day` as text, rows, volume, one `by_day.SHIFT` column per compared column, and one
        `by_day.OF_USUAL` column per compared share, for days that were not validated before) and their rules; None
        without a day to measure.
    """
    rows = commit_log.row_counts(of.staged)
    undated = tables.UNDATED in days and not of.table.is_log
    dated = [day for day in days if day != tables.UNDATED]
    last = max(dated[-1], end - A_DAY) if dated and of.table.is_log else max(dated, default=None)
    span = [dated[0] + A_DAY * n for n in range((last - dated[0]).days + 1)] if last else []
    chosen = [day for day in span if day in dated or (of.table.is_log and day not in rows)]
    if not chosen and not undated:
        return None
    schema = {field.name for field in of.staged.schema().fields}
    columns = [column for column in by_day.COMPARED[of.table.name] if column in schema]
    rows_of_log = {day: count for day, count in rows.items() if day != tables.UNDATED}
    frame = pd.DataFrame({"day": [day.isoformat() for day in chosen], "rows": [rows.get(day, 0) for day in chosen]})
    frame["volume"] = [volume(rows_of_log, day) for day in chosen]
    validated = set(tables.days(of.settings, f"raw/{of.table.name}"))
    if chosen:
        reached = [chosen[0] - A_DAY * n for n in range(REFERENCE_DAYS, 0, -1)] + span
        before = tables.read_opened(of.connection, of.staged, [day for day in reached if day in rows])
        places = [reached.index(day) for day in chosen]
        for column in columns:
            frame[by_day.SHIFT.format(column)] = shift(_counts(of.connection, before, column, reached))[places]
        new = frame["day"].isin([day.isoformat() for day in chosen if day not in validated])
        for name, ratio in shares_of_usual(of.connection, of.staged, of.table, reached).items():
            frame[by_day.OF_USUAL.format(name)] = pd.Series(ratio[places]).where(new)
    if undated:
        frame = pd.concat([frame, pd.DataFrame([_whole(of, columns, rows[tables.UNDATED])])], ignore_index=True)
    least, stops = of.settings.ingest.min_usual_share, bool(validated)
    rules = by_day.suite(tuple(frame.columns), log=of.table.is_log, least=least, stops=stops)
    return Part(frame.astype({"rows": "int64"}), rules)


def _whole(of: Measured, columns: Sequence[str], rows: int) -> dict[str, object]:
    """Measures of a table without times against its raw table."""
    days = [tables.UNDATED]
    name = f"raw/{of.table.name}"
    raw = tables.open_table(of.settings, name) if tables.exists(of.settings, name) else None
    known = {field.name for field in raw.schema().fields} if raw else set()
    before = commit_log.row_counts(raw).get(tables.UNDATED, 0) if raw else 0
    measures: dict[str, object] = {"day": "whole", "rows": rows, "volume": volume_between(before, rows)}
    for column in columns:
        measure = by_day.SHIFT.format(column)
        measures[measure] = float("nan")
        if raw is not None and column in known and before:
            sides = [tables.read_opened(of.connection, log, days).select("day", column) for log in (raw, of.staged)]
            both = ibis.union(*(side.mutate(day=ibis.date(f"200{n}-01-01")) for n, side in enumerate(sides)))
            old, new = _counts(of.connection, both, column, [date(2000, 1, 1), date(2001, 1, 1)])
            measures[measure] = shift_between(old, new)
    return measures


def _counts(connection: Backend, rows: ir.Table, column: str, days: Sequence[date]) -> NDArray[np.float64]:
    """Rows by day and bin: deciles of a number over all days, or frequent values; missing values have a bin."""
    values = rows[column]
    if values.type().is_numeric():
        known = values.nullif(float("inf")).nullif(float("-inf"))
        edges = (
            rows.aggregate(edges=known.quantile([n / BINS for n in range(1, BINS)])).to_pyarrow()["edges"][0].as_py()
        )
        unique = sorted({edge for edge in edges or [] if edge is not None})
        key = reduce(add, [(values > edge).cast("int64") for edge in unique], values * 0).cast("string")
    else:
        key = values.cast("string")
    grouped = rows.group_by(day=rows.day, value=key).aggregate(rows=lambda group: group.count())
    frame = connection.to_pyarrow(grouped).to_pandas()
    frame["value"] = frame["value"].fillna(MISSING)
    frequent = frame.groupby("value")["rows"].sum().nlargest(VALUES).index
    frame["value"] = frame["value"].where(frame["value"].isin(frequent), "others")
    table = frame.pivot_table(index="day", columns="value", values="rows", aggfunc="sum", fill_value=0)
    table.index = pd.Index([pd.Timestamp(day).date() for day in table.index], dtype=object)
    return table.reindex(list(days), fill_value=0).to_numpy(dtype=np.float64)
