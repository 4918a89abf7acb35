"""Lists of users: those of a segment in its order, page by page, and as a file for spreadsheets."""

from collections.abc import Iterator
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend
from pyarrow import csv

from models.predictions import TIERS
from pipelines.lake import commit_log, tables
from pipelines.lake.names import FEATURE_TABLE
from pipelines.settings import Settings
from pipelines.spreadsheets import UNSAFE
from serving.dashboard.population import Population
from serving.dashboard.segments import NEW, RANGES, SORTS, Segment
from serving.dashboard.values import Row

ROWS = 50
"""Users on a page of the list."""

LAST = "days_since_last_order"
SHOWN = (
    "user_id", "expected_spend", "purchase_probability", "score", "change", "tier", "tier_before", LAST, "reasons",
)  # fmt: skip
EXPORTED = (
    "user_id", "tier", "tier_before", "score", "expected_spend", "spend_low", "spend_high", "purchase_probability",
    LAST, "reasons", "basis", "model_version", "baseline", "snapshot_date", "horizon_days",
)  # fmt: skip
DIGITS = {"score": 1, "expected_spend": 2, "spend_low": 2, "spend_high": 2, "purchase_probability": 3, LAST: 0}
"""Digits after the point of a file's numbers."""


@dataclass(frozen=True)
class Listing:
    """A page of a segment: how many users it has, their expected spend, its pages, and the rows of this one."""

    users: int
    spend: float
    page: int
    pages: int
    rows: list[Row]


def listing(population: Population, settings: Settings, segment: Segment) -> Listing:
    """Count the users of a segment, and read those of its page."""
    connection = tables.connect()
    tables.bound(connection, settings)
    rows = _fitting(connection, population, settings, segment)
    totals = rows.aggregate(users=rows.count(), spend=rows.expected_spend.sum().coalesce(0.0))
    (total,) = totals.to_pyarrow().to_pylist()
    pages = max(-(-total["users"] // ROWS), 1)
    page = min(segment.page, pages)
    shown = _ordered(rows, segment).select(*SHOWN).limit(ROWS, offset=(page - 1) * ROWS)
    return Listing(total["users"], total["spend"], page, pages, shown.to_pyarrow().to_pylist())


def as_csv(population: Population, settings: Settings, segment: Segment) -> Iterator[bytes]:
    """The users of a segment as CSV, in pieces: numbers rounded, and a ' before what a spreadsheet would run."""
    connection = tables.connect()
    tables.bound(connection, settings)
    rows = _ordered(_fitting(connection, population, settings, segment), segment)
    names = [name for name in (*EXPORTED, *population.attributes) if name in rows.columns]
    reader = tables.stream(connection, _safe(_rounded(rows.select(names))))

    def pieces() -> Iterator[bytes]:
        first = next(iter(reader), pa.RecordBatch.from_pylist([], schema=reader.schema))
        yield _written(first, header=True)
        for batch in reader:
            yield _written(batch, header=False)

    return pieces()


def _fitting(connection: Backend, population: Population, settings: Settings, segment: Segment) -> ir.Table:
    """The users of a segment with their tier and score in the snapshot before, and the days since they bought."""
    rows = _with_last_purchase(connection, population, settings, _compared(connection, population, segment))
    if segment.tier_before == NEW:
        rows = rows.filter(rows.tier_before.isnull())
    elif segment.tier_before:
        rows = rows.filter(rows.tier_before == segment.tier_before)
    if segment.movement:
        rows = rows.filter(_moved(rows, segment.movement))
    for name, limit in segment.limits.items():
        column, scale = RANGES[name.rpartition("_")[0]]
        highest = name == "score_to" and limit >= 100  # noqa: PLR2004 - the highest score is inside
        if name.endswith("_from"):
            rows = rows.filter(rows[column] >= limit * scale)
        elif not highest:
            rows = rows.filter(rows[column] < limit * scale)
    return rows


def _compared(connection: Backend, population: Population, segment: Segment) -> ir.Table:
    rows = population.chosen(connection, segment.choice)
    if population.before is None:
        return rows.mutate(tier_before=ibis.null("string"), change=ibis.null("float64"))
    earlier = tables.read_opened(connection, population.predictions, [population.before])
    earlier = earlier.select("user_id", tier_before=earlier.tier.cast("string"), score_before="score")
    joined = rows.left_join(earlier, "user_id").drop("user_id_right")
    return joined.mutate(change=joined.score - joined.score_before).drop("score_before")


def _with_last_purchase(connection: Backend, population: Population, settings: Settings, rows: ir.Table) -> ir.Table:
    if tables.exists(settings, FEATURE_TABLE):
        opened = tables.open_table(settings, FEATURE_TABLE)
        features = tables.read_opened(connection, opened, [population.snapshot])
        if LAST in features.columns and population.snapshot in commit_log.files(opened):
            days = features.select("user_id", **{LAST: features[LAST].cast("float64")})
            return rows.left_join(days, "user_id").drop("user_id_right")
    return rows.mutate(**{LAST: ibis.null("float64")})


def _moved(rows: ir.Table, movement: str) -> ir.BooleanValue:
    ranks = [(tier, number) for number, tier in enumerate(TIERS)]
    now, before = (rows[name].cast("string").cases(*ranks) for name in ("tier", "tier_before"))
    known = rows.tier_before.notnull()
    return {
        NEW: ~known,
        "moved": known & (rows.tier != rows.tier_before),
        "stayed": known & (rows.tier == rows.tier_before),
        "up": known & (now < before),
        "down": known & (now > before),
    }[movement]


def _ordered(rows: ir.Table, segment: Segment) -> ir.Table:
    column = SORTS[segment.sort.removeprefix("-")]
    return rows.order_by([ibis.desc(column) if segment.sort.startswith("-") else ibis.asc(column), "user_id"])


def _rounded(rows: ir.Table) -> ir.Table:
    return rows.mutate(**{name: rows[name].round(digits) for name, digits in DIGITS.items() if name in rows.columns})


def _safe(rows: ir.Table) -> ir.Table:
    texts = [name for name, kind in rows.schema().items() if kind.is_string()]
    mark = ibis.literal("'")
    return rows.mutate(
        **{name: ibis.ifelse(rows[name].re_search(UNSAFE), mark + rows[name], rows[name]) for name in texts}
    )


def _written(batch: pa.RecordBatch, *, header: bool) -> bytes:
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=header))
    return bytes(sink.getvalue())
