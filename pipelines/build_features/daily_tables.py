"""Refresh the daily tables in the lake: recompute only the days whose rows may have changed.

Each commit of a daily table names the versions of the raw tables and the code that it was computed from. Days whose
files differ between these versions and the newest ones are recomputed with their dependants in one commit. A raw table
that was deleted and written again has another id, so its version numbers are not comparable.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from features import daily, schema
from features.daily import events as event_day
from features.daily import orders as user_day
from features.daily.tables import DAILY, Daily
from pipelines.build_features.reopened_days import Raw, reopened
from pipelines.files import code_fingerprint
from pipelines.lake import commit_log, tables
from pipelines.lake.rows import between
from pipelines.settings import Settings

ROWS_AT_ONCE = 5_000_000
"""Approximate number of rows per portion of days, so that memory does not grow with the history."""

A_DAY = timedelta(days=1)


def refresh(settings: Settings, connection: Backend) -> dict[str, int]:
    """Bring all days of the daily tables up to date with the raw tables.

    Returns:
        Number of computed days by table.

    Raises:
        PurseError: there are no orders, or a commit failed; earlier tables are up to date, later ones unchanged.
    """
    raw = Raw.newest(settings, connection)
    return {table.name: _refresh(raw, table) for table in DAILY if table.log in raw.logs}


def _refresh(raw: Raw, table: Daily) -> int:
    inputs = {table.log, "products", *(["order_lines"] if table.priced else [])}
    sources = {name: log.version() for name, log in raw.logs.items() if name in inputs}
    ids = {name: raw.logs[name].metadata().id for name in sources}
    state = {"sources": json.dumps(sources), "ids": json.dumps(ids), "code": _code()}
    kept = tables.open_table(raw.settings, table.name) if tables.exists(raw.settings, table.name) else None
    found = commit_log.metadata(kept) if kept else {}
    if state.items() <= found.items():
        return 0
    there = commit_log.files(raw.logs[table.log])
    days = None
    if kept and all(found.get(key) == state[key] for key in ("ids", "code")):
        before = json.loads(found["sources"])
        days = reopened(raw, table.log, priced=table.priced, before=before)
        if days is not None:
            days &= {*there, *commit_log.files(kept)}
            if not days:
                return 0
    chosen = sorted(day for day in (there if days is None else days) if day in there)
    tables.replace_days(raw.settings, table.name, lambda: _rows(raw, table, chosen), days, state)
    return len(chosen)


def _rows(raw: Raw, table: Daily, days: list[date]) -> pa.RecordBatchReader:
    """Stream the rows of these days, computed portion by portion."""
    # read the lake before the stream begins: the library that consumes it cannot be called meanwhile
    prices = _prices(raw, days) if table.priced else None
    portions = [_reduced(raw, table, portion, prices) for portion in _portions(raw, table, days)]
    first = tables.stream(raw.connection, portions[0])

    def batches() -> Iterator[pa.RecordBatch]:
        yield from first
        for portion in portions[1:]:
            yield from tables.stream(raw.connection, portion)

    return pa.RecordBatchReader.from_batches(first.schema, batches())


def _reduced(raw: Raw, table: Daily, days: list[date], prices: ir.Table | None) -> ir.Table:
    described = user_day.categorised_lines if table.log == "order_lines" else event_day.catalogued_events
    rows = described(raw.read(table.log, days), raw.products)
    if prices is None:
        return table.reduce(rows)
    first, last = min(days, default=date.max) - A_DAY * user_day.PRICE_REFERENCE_DAYS, max(days, default=date.min)
    return table.reduce(rows, between(prices, first, last))


def _prices(raw: Raw, days: list[date]) -> ir.Table:
    """Reference prices of these days, computed once for all portions and both tables."""
    before = frozenset(day - A_DAY * (n + 1) for day in days for n in range(user_day.PRICE_REFERENCE_DAYS))
    if ("prices", before) not in raw.opened:
        lines = user_day.categorised_lines(raw.read("order_lines", before), raw.products)
        raw.opened["prices", before] = tables.hold(raw.connection, user_day.category_prices(lines))
    return raw.opened["prices", before]


def _portions(raw: Raw, table: Daily, days: list[date]) -> list[list[date]]:
    if len(days) <= 1:  # one day cannot be divided, and counting takes longer than computing it
        return [days]
    counts = commit_log.row_counts(raw.logs[table.log])
    portions: list[list[date]] = []
    rows = 0
    for day in days:
        if not portions or rows + counts[day] > ROWS_AT_ONCE:
            portions.append([])
            rows = 0
        portions[-1].append(day)
        rows += counts[day]
    return portions


def _code() -> str:
    """Fingerprint of the code that computes the rows; changed code recomputes all days."""
    return code_fingerprint(Path(daily.__file__).parent, Path(schema.__file__))
