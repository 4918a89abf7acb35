"""The lake: Delta tables under one root, each change one commit."""

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from ibis.backends.duckdb import Backend
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipelines.errors import PurseError
from pipelines.settings import Settings

UNDATED = date(1970, 1, 1)
"""The day under which rows are staged and quarantined whose time cannot be read."""


def connect() -> Backend:
    """A DuckDB connection in memory, as an Ibis backend."""
    return ibis.duckdb.connect()


def exists(settings: Settings, table: str) -> bool:
    """Say whether the table has been written."""
    return DeltaTable.is_deltatable(_url(settings, table))


def read(connection: Backend, settings: Settings, table: str) -> ir.Table:
    """The newest version of a table as a lazy expression.

    Raises:
        PurseError: the table has not been written yet.
    """
    delta = _open(settings, table)
    files = delta.file_uris()
    if not files:
        return connection.create_table(
            ibis.util.gen_name("empty"), schema=ibis.Schema.from_pyarrow(_schema(delta)), temp=True
        )
    return connection.read_parquet(files, hive_partitioning=True, union_by_name=True)


def hold(connection: Backend, table: ir.Table) -> ir.Table:
    """Compute an expression once and keep its rows for the life of the connection.

    Ibis' own `cache()` drops its table with a statement that DuckDB 2 refuses.
    """
    return connection.create_table(ibis.util.gen_name("held"), table, temp=True)


def replace(settings: Settings, table: str, rows: pa.Table, column: str, start: date, end: date) -> None:
    """Replace the rows with `start <= column < end` in one commit; `column` is the partition, a date.

    Raises:
        PurseError: the commit failed (disk full, no permission); the previous version stays in force.
    """
    url = _url(settings, table)
    predicate = f"{column} >= '{start.isoformat()}' AND {column} < '{end.isoformat()}'"
    try:
        for attempt in _attempts():
            with attempt:
                if DeltaTable.is_deltatable(url):
                    write_deltalake(
                        url, rows, mode="overwrite", predicate=predicate, schema_mode="merge", partition_by=[column]
                    )
                else:
                    write_deltalake(url, rows, partition_by=[column])
    except (DeltaError, OSError) as error:
        raise PurseError(
            f"Writing {rows.num_rows:,} rows to table '{table}' at {url} failed: {error}. "
            "The table is as it was before; free disk space or correct the permissions and run the step again."
        ) from error


def version(settings: Settings, table: str) -> int:
    """The version number of a table's newest commit."""
    return _open(settings, table).version()


def days(settings: Settings, table: str, column: str = "day") -> list[date]:
    """The partitions that a table has, in order, without UNDATED."""
    if not exists(settings, table):
        return []
    values = {date.fromisoformat(str(p[column])) for p in _open(settings, table).partitions()}
    return sorted(values - {UNDATED})


def resolve_snapshot_date(settings: Settings, snapshot_date: date | None, today: date) -> date:
    """The snapshot date of a run: the one asked for, or the day after the lake's newest day.

    Args:
        settings: the settings; `ingest.max_staleness_days` is null for historical data.
        snapshot_date: exclusive end of the data, or None for the newest.
        today: the day of the run, against which staleness is measured.

    Raises:
        PurseError: the lake has no orders, or they are older than `ingest.max_staleness_days`.
    """
    loaded = days(settings, "raw/order_lines")
    if not loaded:
        raise PurseError(f"The lake at {settings.lake} holds no orders. Run 'purse ingest' and 'purse validate' first.")
    newest = loaded[-1] + timedelta(days=1)
    limit = settings.ingest.max_staleness_days
    if snapshot_date is None and limit is not None and (today - newest).days > limit:
        raise PurseError(
            f"The newest orders in the lake are of {loaded[-1]}, {(today - newest).days} days before {today}; "
            f"ingest.max_staleness_days allows {limit}. Check the source '{settings.source}' and run ingest_daily, "
            "or name a snapshot date to score the past."
        )
    return snapshot_date or newest


def _attempts() -> Retrying:
    """Of two steps that replace the same days at once, one commits and the other tries again."""
    return Retrying(
        retry=retry_if_exception_type(CommitFailedError),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )


def _open(settings: Settings, table: str) -> DeltaTable:
    if not exists(settings, table):
        raise PurseError(
            f"The lake at {settings.lake} has no table '{table}'. Run the step that writes it; see 'purse --help'."
        )
    return DeltaTable(_url(settings, table))


def _schema(delta: DeltaTable) -> pa.Schema:
    return pa.schema(delta.schema().to_arrow())


def _url(settings: Settings, table: str) -> str:
    return f"{settings.lake.rstrip('/')}/{table}"
