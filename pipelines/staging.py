"""From a source's rows to one canonical table: typed, dated, and with what could not be read named on the row."""

from datetime import date

import duckdb
import pandas as pd
import pyarrow as pa
import sqlalchemy
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from features.schema import TABLES, Column
from pipelines.errors import PurseError
from pipelines.lake import UNDATED
from pipelines.settings import Settings
from pipelines.sources import Source, SourceTable, expand_environment, file_format, locate


def staged(connection: DuckDBPyConnection, settings: Settings, source: Source, name: str) -> DuckDBPyRelation:
    """The rows of a source table in the order of the source.

    Returns:
        The canonical columns that the source gives, `source_file`, `source_line` (the record's number in its file,
        from 1, a header not counted), `fault` (null, or which
        columns could not be read and the source's record as JSON) and `day` (UNDATED where the time cannot be read,
        or where the source gives no time: such a row holds always).

    Raises:
        PurseError: a file that cannot be read, an expression that doesn't fit, or no row at all.
    """
    mapped, table = source.tables[name], TABLES[name]
    rows = _read(connection, settings, source, name)
    if mapped.where:
        rows = _checked(rows, f"({mapped.where})", source, f"tables.{name}.where").filter(mapped.where)
    columns = [column for column in table.columns if column.name in mapped.columns]
    for column in columns:
        _checked(rows, mapped.columns[column.name], source, f"tables.{name}.columns.{column.name}")
    if not rows.limit(1).fetchall():
        raise PurseError(f"Source file {source.path}: tables.{name} gives no rows. Check its 'from' and 'where'.")
    return _canonical(rows, columns, mapped, table.time)


def _canonical(rows: DuckDBPyRelation, columns: list[Column], mapped: SourceTable, time: str) -> DuckDBPyRelation:
    typed = [f"{_typed(c, mapped)} AS {c.name}" for c in columns]
    if time not in mapped.columns:
        typed.append(f"TIMESTAMP '{UNDATED}' AS {time}")
    faults = ", ".join(_fault(c, mapped) for c in columns)
    named = rows.set_alias("record").project(
        f"{', '.join(typed)}, _file AS source_file, _line AS source_line, "
        f"CASE WHEN concat_ws('', {faults}) <> '' THEN concat_ws('; ', {faults}, 'in ' || to_json(record)) END AS fault"
    )
    if mapped.distinct:
        names = ", ".join([c for c in named.columns if not c.startswith("source_")])
        named = named.aggregate(f"{names}, min(source_file) AS source_file, min(source_line) AS source_line", names)
    dated = named.project(f"*, coalesce(CAST({time} AS DATE), DATE '{UNDATED}') AS day")
    return dated.order("source_file, source_line")


def _typed(column: Column, mapped: SourceTable) -> str:
    """SQL for a column's value; NaN is a missing number, and would make every sum that it gets into one."""
    typed = f"TRY(CAST(({mapped.columns[column.name]}) AS {column.type}))"
    return f"nullif({typed}, 'NaN'::DOUBLE)" if column.type == "DOUBLE" else typed


def _fault(column: Column, mapped: SourceTable) -> str:
    """SQL for what is wrong with a column of a row: a required value is missing, or a value is not of its type."""
    expression, typed = mapped.columns[column.name], _typed(column, mapped)
    given = "true" if column.required else f"lower(TRY(CAST(({expression}) AS VARCHAR))) <> 'nan'"
    return f"CASE WHEN {typed} IS NULL AND {given} THEN '{column.name} is not a {column.type}' END"


def _checked(rows: DuckDBPyRelation, expression: str, source: Source, place: str) -> DuckDBPyRelation:
    try:
        _ = rows.project(f"({expression})").types
    except duckdb.Error as error:
        raise PurseError(
            f"Source file {source.path}, {place}: the SQL expression {expression!r} doesn't fit: {error}. "
            f"The source has the columns {', '.join(c for c in rows.columns if not c.startswith('_'))}."
        ) from error
    return rows


def _read(connection: DuckDBPyConnection, settings: Settings, source: Source, name: str) -> DuckDBPyRelation:
    origin, place = source.tables[name].origin, f"Source file {source.path}, tables.{name}.from"
    if origin.sql:
        rows = connection.from_arrow(_query(origin.sql, expand_environment(str(origin.connection), place), place))
        return rows.project("*, 'sql' AS _file, row_number() OVER () AS _line")
    files = locate(origin, source, settings.home_path / "cache")
    kind = file_format(origin, files, place)
    try:
        if kind == "csv":
            # every value is read as text: what doesn't fit its canonical type is a row's fault and not a crash
            rows = connection.read_csv(files, all_varchar=True, filename="_file", **origin.options)
        elif kind == "parquet":
            rows = connection.read_parquet(files, filename=True, union_by_name=True).project(
                "* RENAME (filename AS _file)"
            )
        else:
            rows = connection.read_json(files, filename=True).project("* RENAME (filename AS _file)")
        numbered = rows.project("*, row_number() OVER () AS _row")
        return numbered.project("* EXCLUDE (_row), _row - min(_row) OVER (PARTITION BY _file) + 1 AS _line")
    except (duckdb.Error, TypeError) as error:
        raise PurseError(
            f"{place}: {', '.join(files[:3])} cannot be read as {kind}: {error}. "
            "Repair the file, or set 'format' and 'options' (those of DuckDB's reader)."
        ) from error


def _query(sql: str, url: str, place: str) -> pa.Table:
    try:
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connected:
            frame = pd.read_sql_query(sqlalchemy.text(sql), connected)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        detail = str(error).splitlines()[0]
        raise PurseError(f"{place}: the query failed: {detail}. Check 'connection' and 'sql'.") from error
    return pa.Table.from_pandas(frame, preserve_index=False)


def days_between(rows: DuckDBPyRelation, start: date, end: date) -> pa.Table:
    """The rows with `start <= day < end`."""
    return rows.filter(f"day >= DATE '{start}' AND day < DATE '{end}'").to_arrow_table()
