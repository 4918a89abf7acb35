"""Run the query of a source over the rows of its files: one SELECT, whose result is stored once."""

from collections.abc import Iterable, Mapping

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation, Statement, StatementType

from pipelines.errors import PurseError
from pipelines.ingest.lock import describe
from pipelines.lake.sql import literal

ADVICE = "Correct the query; put a name with spaces or an SQL keyword in double quotes."


def run(
    connection: DuckDBPyConnection,
    sql: str,
    inputs: Mapping[str, DuckDBPyRelation],
    files: Iterable[str],
    place: str,
    origin: str,
) -> DuckDBPyRelation:
    """Store the result of a query in the connection's database and return its rows with `_file` and `_line`.

    Each input is a table of the query, with `_file` and `_line`. If the result lacks them, `_file` says so and `_line`
    is the number of the row in the result.

    Args:
        connection: locked, with a database file: what does not fit into memory is spilled beside it.
        sql: one SELECT statement.
        inputs: rows of the files by the name of their table.
        files: paths that messages may name.
        place: place in the source file; messages begin with it.
        origin: names of the files, for `_file` where the query does not select it.

    Raises:
        PurseError: the text is not one SELECT, does not fit the tables or fails on a value.
    """
    statement = _one_select(connection, sql, place)
    for name, rows in inputs.items():
        rows.create_view(name, replace=True)
    ((number,),) = connection.sql("SELECT count(*) FROM duckdb_tables()").fetchall()
    result = f"queried_{number}"
    try:
        connection.sql(statement).create(result)  # a join's second `no` becomes `no_1`
    except duckdb.Error as error:
        raise PurseError(
            f"{place}: the query fails: {_folded(describe(error, files, _columns(inputs)))}. {_tables(inputs)} {ADVICE}"
        ) from None
    finally:
        for name in inputs:
            connection.execute(f'DROP VIEW IF EXISTS "{name}"')
    return _placed(connection.table(result), origin)


def _one_select(connection: DuckDBPyConnection, sql: str, place: str) -> Statement:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise PurseError(f"{place}: the query is not SQL of DuckDB: {_folded(describe(error))}. {ADVICE}") from None
    kinds = [statement.type for statement in statements]
    if kinds != [StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "no statement"
        raise PurseError(
            f"{place}: 'query' takes one SELECT, found {found}. Write one SELECT, with WITH for its parts."
        )
    return statements[0]


def _placed(rows: DuckDBPyRelation, origin: str) -> DuckDBPyRelation:
    """Rows with `_file` and `_line`, which the query may have selected."""
    selected = {"_file": "CAST(_file AS VARCHAR)", "_line": "TRY_CAST(_line AS BIGINT)"}
    added = {"_file": literal(f"query over {origin}"), "_line": "row_number() OVER ()"}
    kept = ", ".join(f"{sql} AS {name}" for name, sql in selected.items() if name in rows.columns)
    new = "".join(f", {sql} AS {name}" for name, sql in added.items() if name not in rows.columns)
    return rows.project(f"*{f' REPLACE ({kept})' if kept else ''}{new}")


def _folded(text: str) -> str:
    return " ".join(text.split()).rstrip(".!")


def _columns(inputs: Mapping[str, DuckDBPyRelation]) -> set[str]:
    return {column for rows in inputs.values() for column in rows.columns}


def _tables(inputs: Mapping[str, DuckDBPyRelation]) -> str:
    tables = (f"'{name}' has {', '.join(rows.columns)}" for name, rows in inputs.items())
    return f"The table {'; the table '.join(tables)}."
