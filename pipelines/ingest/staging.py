"""Convert a source's rows to one canonical table: typed, dated, with unreadable values named in `fault`."""

from collections.abc import Iterator, Sequence

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from duckdb.sqltypes import DuckDBPyType

from features.schema import FIRST_YEAR, LAST_YEAR, TABLES, Column
from pipelines.errors import PurseError
from pipelines.ingest import currencies
from pipelines.ingest.left_out import user_id, without_nobody, without_superseded
from pipelines.ingest.lock import describe
from pipelines.ingest.numbers import numeric
from pipelines.ingest.rows import Located, read
from pipelines.lake.sql import literal
from pipelines.lake.tables import UNDATED
from pipelines.source.definition import Source, SourceTable
from pipelines.source.forms.names import quoted
from pipelines.source.forms.times import iso

NUMBERS = ("DOUBLE", "BIGINT")
"""Types of canonical columns whose expressions read text as numbers."""

EXACT = 2**53
"""Floating-point numbers below it are exact where they are whole."""


def prepare(connection: DuckDBPyConnection, source: Source) -> None:
    """Set what `staged` needs; after `lock` no setting can change."""
    connection.execute(f"SET TimeZone = {literal(source.timezone)}")
    # DuckDB moves subexpressions that two expressions share out of the TRY that catches their errors
    connection.execute("SET disabled_optimizers = 'common_subexpressions'")


def staged(connection: DuckDBPyConnection, located: Located, source: Source, name: str) -> DuckDBPyRelation:
    """Read and type the rows of a source table.

    Time stamps are converted to the shop's time zone, money of order lines to the shop's currency.

    Args:
        connection: prepared for the source and locked: the source's SQL runs in it.
        located: files of each origin.
        source: the source.
        name: name of the table.

    Returns:
        The canonical columns that the source maps, and four more:
        `source_file`;
        `source_line`: number of the record in its file, from 1, without the header;
        `fault`: the unreadable columns and the source record as JSON, or null;
        `day`: UNDATED where the time is unreadable, or where the source maps no time and the row is always valid.

    Raises:
        PurseError: a file is unreadable, an expression does not fit, or the source has no rows.
    """
    table = TABLES[name]
    rows = read(connection, located, source, source.tables[name].origin, f"tables.{name}.from")
    mapped = _with_names(source.tables[name], rows.columns)
    if mapped.where:
        _ = _type(rows, f"({mapped.where})", source, f"tables.{name}.where")
        rows = rows.filter(mapped.where)
    if not rows.limit(1).fetchall():
        raise PurseError(f"Source file {source.path}: tables.{name} gives no rows. Correct its 'from' or 'where'.")
    texts = [path for name, kind in zip(rows.columns, rows.types, strict=True) for path in _texts(name, kind)]
    values, faults = {}, []
    for column in table.columns:
        if column.name in mapped.columns:
            place = f"tables.{name}.columns.{column.name}"
            expression, unreadable = mapped.columns[column.name], "false"
            if column.type in NUMBERS:
                expression, unreadable = numeric(expression, texts, mapped.origin.decimal)
            typed = _typed(rows, column, expression, source, place, mapped.columns[column.name])
            if column.name == "user_id":
                typed = user_id(expression, typed, source)
            values[column.name] = _within_years(typed) if table.is_log and column.name == table.time else typed
            faults.append(_fault(column, expression, values[column.name], unreadable))
    if source.currency and mapped.currency:
        _ = _type(rows, mapped.currency, source, f"tables.{name}.currency")
        rates = read(connection, located, source, source.currency.rates, "currency.rates")
        rows = currencies.with_rate(connection, rows, rates, source, f"CAST({values[table.time]} AS DATE)")
        values |= {name: f"{values[name]} * {currencies.RATE}" for name in currencies.MONEY if name in values}
        faults.append(currencies.fault())
    staged = _with_day(rows, values, faults, mapped, table.time)
    return without_nobody(without_superseded(staged, mapped, table.key), source)


def _with_names(mapped: SourceTable, columns: Sequence[str]) -> SourceTable:
    """Quote each expression that is exactly a column's name, such as order, at or Order No."""
    names = {name.lower(): name for name in columns} | {name: name for name in columns}

    def quoted_name(sql: str) -> str:
        name = names.get(sql.strip()) or names.get(sql.strip().lower())
        return quoted(name) if name else sql

    return mapped.model_copy(
        update={
            "columns": {column: quoted_name(sql) for column, sql in mapped.columns.items()},
            "currency": mapped.currency and quoted_name(mapped.currency),
        }
    )


def _texts(path: str, kind: DuckDBPyType) -> Iterator[str]:
    """Paths of the text in a column: its name, or the fields of a structure, as in item.price."""
    if kind.id == "struct":
        for name, part in kind.children:
            yield from _texts(f"{path}.{name}", part)
    elif kind.id == "varchar":
        yield path


def _with_day(
    rows: DuckDBPyRelation, values: dict[str, str], faults: list[str], mapped: SourceTable, time: str
) -> DuckDBPyRelation:
    typed = [f"{value} AS {name}" for name, value in values.items()]
    if time not in values:
        typed.append(f"TIMESTAMP '{UNDATED}' AS {time}")
    fault = ", ".join(faults)
    named = rows.set_alias("record").project(
        f"{', '.join(typed)}, _file AS source_file, _line AS source_line, "
        f"CASE WHEN concat_ws('', {fault}) <> '' THEN concat_ws('; ', {fault}, 'in ' || to_json(record)) END AS fault"
    )
    if mapped.distinct:
        names = ", ".join([c for c in named.columns if not c.startswith("source_")])
        named = named.aggregate(f"{names}, min(source_file) AS source_file, min(source_line) AS source_line", names)
    return named.project(f"*, coalesce(CAST({time} AS DATE), DATE '{UNDATED}') AS day")


def _typed(rows: DuckDBPyRelation, column: Column, expression: str, source: Source, place: str, shown: str) -> str:
    """SQL for a column's value in its canonical type; messages show the expression as the source has it.

    NaN becomes null, because it would turn every sum into NaN. A time stamp with a zone is converted to the shop's
    time zone; text is therefore parsed as an instant first, in the shop's time zone if it names none.
    """
    value, kind = f"({expression})", _type(rows, expression, source, place, shown)
    if column.type == "TIMESTAMP" and kind == "VARCHAR":
        value = iso(value)
    if column.type == "VARCHAR" and kind in ("DOUBLE", "FLOAT"):
        value = _whole(value)
    typed = f"TRY(CAST({value} AS {column.type}))"
    typed = f"nullif({typed}, 'NaN'::DOUBLE)" if column.type == "DOUBLE" else typed
    _ = _type(rows, typed, source, place, shown)
    return typed


def _within_years(time: str) -> str:
    """SQL for the time of a row: null before and after the years of a shop, such as 0001, 9999 and infinity."""
    return f"CASE WHEN year({time}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN {time} END"


def _whole(number: str) -> str:
    """SQL for the text of a floating-point number: 17850.0 is '17850', and from 2^53 on, where numbers merge, null."""
    whole = f"CASE WHEN abs({number}) < {EXACT} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) END"
    return f"CASE WHEN {number} = trunc({number}) THEN {whole} ELSE CAST({number} AS VARCHAR) END"


def _fault(column: Column, expression: str, typed: str, unreadable: str) -> str:
    """SQL for the fault of a column: a required value is missing, or a value or a part of it does not have its type."""
    there = f"lower(TRY(CAST(({expression}) AS VARCHAR))) <> 'nan' OR {unreadable}"
    given = "true" if column.required else f"({there})"
    return f"CASE WHEN {typed} IS NULL AND {given} THEN '{column.name} is not a {column.type}' END"


def _type(rows: DuckDBPyRelation, expression: str, source: Source, place: str, shown: str | None = None) -> str:
    """Return the type of an SQL expression over the rows.

    Raises:
        PurseError: the expression does not fit; the message shows `shown` in its place.
    """
    try:
        return str(rows.project(f"({expression})").types[0])
    except duckdb.Error as error:
        raise PurseError(
            f"Source file {source.path}, {place}: the SQL expression {shown or expression!r} doesn't fit: "
            f"{_first_line(error, rows.columns)}. "
            f"The source has the columns {', '.join(c for c in rows.columns if not c.startswith('_'))}. Correct the "
            "expression; put a name with spaces or an SQL keyword in double quotes, in YAML '\"Order No\"'."
        ) from None


def _first_line(error: duckdb.Error, columns: list[str]) -> str:
    """Say what does not fit, without the list of all functions that would."""
    line = describe(error, columns=columns).splitlines()[0].rstrip(". ")
    if "window functions" in line:
        return f"{line}. Write them in the 'query' of 'from', and name their column here"
    if "VARCHAR" not in line:
        return line
    return f"{line}. Text is read as a number in sums, products and comparisons; elsewhere write CAST(name AS DOUBLE)"
