"""Read and replace the Delta tables of the lake; each change is one commit."""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from ibis.backends.duckdb import Backend
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipelines.errors import PurseError
from pipelines.lake import commit_log
from pipelines.lake.sql import literal
from pipelines.settings import Settings

BATCH_ROWS = 100_000

UNDATED = date(1970, 1, 1)
"""Partition of staged and quarantined rows without a readable time."""


def connect() -> Backend:
    """Open an in-memory DuckDB connection as an Ibis backend."""
    return ibis.duckdb.connect()


def bound(connection: Backend, settings: Settings) -> None:
    """Limit the memory of a DuckDB connection as the settings say; it spills to the home's disk beyond it."""
    if connection.name == "duckdb":
        settings.home_path.mkdir(parents=True, exist_ok=True)  # DuckDB creates only the last folder
        connection.raw_sql(f"SET memory_limit = {literal(settings.memory)}")
        connection.raw_sql(f"SET temp_directory = {literal(settings.home_path / 'spill')}")
        connection.raw_sql("SET preserve_insertion_order = false")


def exists(settings: Settings, table: str) -> bool:
    """Say whether the table has been written."""
    return DeltaTable.is_deltatable(_url(settings, table))


def read(connection: Backend, settings: Settings, table: str) -> ir.Table:
    """Read the newest version of a table as a lazy expression.

    Raises:
        PurseError: the table has not been written yet.
    """
    return read_opened(connection, open_table(settings, table))


def read_opened(connection: Backend, delta: DeltaTable, days: Collection[date] | None = None) -> ir.Table:
    """Read an opened version as a lazy expression; with `days` only these partitions, with all columns."""
    schema = ibis.Schema.from_pyarrow(pa.schema(delta.schema().to_arrow()))
    if days is None:
        chosen = commit_log.paths(delta)
    else:
        there = commit_log.files(delta)
        chosen = [uri for day in sorted(days) for uri in there.get(day, [])]
    if not chosen:
        return connection.create_table(ibis.util.gen_name("empty"), schema=schema, temp=True)
    if connection.name == "pyspark":
        return connection.read_files(chosen, schema)
    rows = connection.read_parquet(chosen, hive_partitioning=True, union_by_name=True)
    if days is None:
        return rows
    # a column may be missing on some days
    return rows.mutate(**{name: ibis.null(kind) for name, kind in schema.items() if name not in rows.columns})


def hold(connection: Backend, table: ir.Table, *more: ir.Table) -> ir.Table:
    """Compute expressions of the same columns one by one, and store their rows for the life of the connection.

    Ibis's `cache()` drops its table with a statement that DuckDB 2 refuses, and its `insert` does not find it.
    """
    held = connection.create_table(ibis.util.gen_name("held"), table, temp=True)
    for one in more:
        connection.raw_sql(f"INSERT INTO {held.get_name()} {connection.compile(one)}")
    return held


def release(connection: Backend, table: ir.Table) -> None:
    """Drop the rows that `hold` stored."""
    if connection.name == "duckdb":
        connection.raw_sql(f"DROP TABLE {table.get_name()}")


def stream(connection: Backend, table: ir.Table, batch_rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
    """Compute an expression and stream its rows; Ibis's own method calls a function that DuckDB 2 removed."""
    if connection.name == "pyspark":
        return connection.to_pyarrow_batches(table, chunk_size=batch_rows)
    return connection.con.sql(connection.compile(table)).to_arrow_reader(batch_rows)


def replace(
    settings: Settings,
    table: str,
    rows: pa.Table | Callable[[], pa.RecordBatchReader],
    column: str,
    start: date,
    end: date,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Replace the rows with `start <= column < end` in one commit; `column` is the partition, a date.

    `rows` may open a stream, once per attempt. `metadata` is stored with the commit, see `commit_log.metadata`.

    Raises:
        PurseError: the commit failed (disk full, no permission); the previous version stays active.
    """
    predicate = f"{column} >= '{start.isoformat()}' AND {column} < '{end.isoformat()}'"
    _write(settings, table, rows if callable(rows) else lambda: rows, column, predicate, metadata)


def replace_days(
    settings: Settings,
    table: str,
    rows: Callable[[], pa.RecordBatchReader],
    days: Collection[date] | None,
    metadata: Mapping[str, str],
) -> None:
    """Replace all rows of some days in one commit; None replaces the whole table and its schema.

    Args:
        settings: name the lake.
        table: name of the table, partitioned by `day`.
        rows: opens a stream of the new rows, once per attempt.
        days: at least one day.
        metadata: stored with the commit, see `commit_log.metadata`.

    Raises:
        PurseError: the commit failed (disk full, no permission); the previous version stays active.
    """
    names = ", ".join(f"'{day.isoformat()}'" for day in sorted(days)) if days is not None else None
    _write(settings, table, rows, "day", names and f"day IN ({names})", metadata)


def version(settings: Settings, table: str) -> int:
    """Version of a table's newest commit."""
    return open_table(settings, table).version()


def days(settings: Settings, table: str, column: str = "day") -> list[date]:
    """Sorted partitions of a table without UNDATED."""
    if not exists(settings, table):
        return []
    values = {date.fromisoformat(str(p[column])) for p in open_table(settings, table).partitions()}
    return sorted(values - {UNDATED})


def _attempts() -> Retrying:
    """Retries for two steps that replace the same days or create a table at once: one commits, the other repeats."""
    return Retrying(
        retry=retry_if_exception_type(CommitFailedError),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        reraise=True,
    )


def _write(
    settings: Settings,
    table: str,
    rows: Callable[[], pa.Table | pa.RecordBatchReader],
    column: str,
    predicate: str | None,
    metadata: Mapping[str, str] | None,
) -> None:
    url = _url(settings, table)
    schema_mode: Literal["merge", "overwrite"] = "merge" if predicate else "overwrite"
    try:
        for attempt in _attempts():
            with attempt:
                if not DeltaTable.is_deltatable(url):
                    _create(url, rows, column, metadata)
                else:
                    write_deltalake(
                        url,
                        rows(),
                        mode="overwrite",
                        predicate=predicate,
                        schema_mode=schema_mode,
                        partition_by=[column],
                        commit_properties=CommitProperties(custom_metadata=dict(metadata or {})),
                    )
    except (DeltaError, OSError) as error:
        raise PurseError(
            f"Writing to table '{table}' at {url} failed: {error}. "
            "The table is as it was before; free disk space or correct the permissions and run the step again."
        ) from error


def _create(
    url: str, rows: Callable[[], pa.Table | pa.RecordBatchReader], column: str, metadata: Mapping[str, str] | None
) -> None:
    """Create a table.

    Raises:
        CommitFailedError: another process created it first.
        DeltaError: the commit failed otherwise.
    """
    # the library would retry and append: two processes that write at once would double the rows
    once = CommitProperties(custom_metadata=dict(metadata or {}), max_commit_retries=0)
    try:
        write_deltalake(url, rows(), partition_by=[column], commit_properties=once)
    except DeltaError as error:
        if DeltaTable.is_deltatable(url):
            raise CommitFailedError(str(error)) from error
        raise


def open_table(settings: Settings, table: str, version: int | None = None) -> DeltaTable:
    """Open a table at a version; None: the newest.

    Raises:
        PurseError: the table has not been written yet.
        DeltaError: the version does not exist, or the log no longer reaches back to it.
    """
    if not exists(settings, table):
        raise PurseError(
            f"The lake at {settings.lake} has no table '{table}'. Run the step that writes it; see 'purse --help'."
        )
    return DeltaTable(_url(settings, table), version=version)


def _url(settings: Settings, table: str) -> str:
    return f"{settings.lake.rstrip('/')}/{table}"
