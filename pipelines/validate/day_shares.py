"""Shares of a log's staged days: ids that were seen before, and order lines that are purchases."""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from deltalake import DeltaTable
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from expectations import by_day
from expectations.usual_share import SEEN_DAYS, of_usual
from features.schema import Table
from pipelines.lake import commit_log, tables

A_DAY = timedelta(days=1)


def shares_of_usual(
    connection: Backend, staged: DeltaTable, table: Table, days: Sequence[date]
) -> dict[str, NDArray[np.float64]]:
    """Shares of each day in proportion to the days before, see `of_usual`; by name, shape (days,).

    Args:
        connection: from `lake.connect`.
        staged: staging table of a log, as opened.
        table: its canonical table.
        days: consecutive days.
    """
    if table.name not in by_day.KNOWN:
        return {}
    there = set(commit_log.files(staged))
    reached = [day for day in (days[0] - A_DAY * n for n in range(SEEN_DAYS, 0, -1)) if day in there]
    rows = tables.read_opened(connection, staged, [*reached, *(day for day in days if day in there)])
    result = {}
    for column in by_day.KNOWN[table.name]:
        if column in rows.columns:
            ids = rows.filter(rows[column].notnull()).select("day", id=column).distinct()
            first = ids.group_by("id").aggregate(first=ids.day.min())
            seen = ids.join(first, "id")
            result[column] = _ratio(connection, seen.select("day", hit=seen.day > seen["first"]), days)
    if "amount" in rows.columns:
        bought = rows.select("day", hit=(rows.amount > 0).fill_null(False))  # noqa: FBT003  # Ibis takes it by position only
        result[by_day.PURCHASES] = _ratio(connection, bought, days)
    return result


def _ratio(connection: Backend, rows: ir.Table, days: Sequence[date]) -> NDArray[np.float64]:
    """`of_usual` of rows with `day` and `hit`."""
    counted = rows.group_by("day").aggregate(hits=rows.hit.cast("int64").sum(), total=rows.count())
    frame = connection.to_pyarrow(counted).to_pandas()
    frame.index = pd.Index([pd.Timestamp(day).date() for day in frame["day"]], dtype=object)
    frame = frame.reindex(list(days), fill_value=0)
    return of_usual(frame["hits"].to_numpy(np.float64), frame["total"].to_numpy(np.float64))
