"""Read the rows of an origin, each with the name of its file and its number there."""

from collections.abc import Collection, Mapping

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from pipelines.errors import PurseError
from pipelines.ingest.file_query import run
from pipelines.ingest.files import file_format, input_place
from pipelines.ingest.lock import describe
from pipelines.ingest.query import query
from pipelines.lake.sql import literal
from pipelines.source.definition import Format, Origin, Source, expand_environment

Located = Mapping[str, Mapping[str, str]]
"""Files by the place of their origin in the source file, from `locate_all`."""

NAMED = 3
"""Files that a message names."""


def read(
    connection: DuckDBPyConnection, located: Located, source: Source, origin: Origin, key: str
) -> DuckDBPyRelation:
    """Read the rows of an origin with `_file`, as the source names it, and `_line`.

    Raises:
        PurseError: a query, a file or an option of its reader fails.
    """
    place = f"Source file {source.path}, {key}"
    if origin.sql:
        rows = connection.from_arrow(query(origin.sql, expand_environment(str(origin.connection), place), place))
        return rows.project("*, 'sql' AS _file, row_number() OVER () AS _line")
    if not origin.query:
        return _of_files(connection, located[key], origin, place)
    inputs = {name: (part, located[input_place(key, origin, name)]) for name, part in origin.inputs().items()}
    tables = {name: _of_files(connection, names, part, place) for name, (part, names) in inputs.items()}
    names = [named for _, files in inputs.values() for named in files.values()]
    files = [file for _, files in inputs.values() for file in files]
    return run(connection, origin.query, tables, files, place, _shown(names))


def _of_files(connection: DuckDBPyConnection, names: Mapping[str, str], origin: Origin, place: str) -> DuckDBPyRelation:
    """Read files by path; `names` has the name that the source gives each."""
    files = list(names)
    kind = file_format(origin, files, place)
    try:
        numbered = _numbered(connection, origin, files, kind)
    except (duckdb.Error, TypeError) as error:
        raise PurseError(
            f"{place}: {_shown(names.values())} cannot be read as {kind}: {describe(error, files)}. "
            "Repair the file, or set 'format', 'encoding' (for text that is not UTF-8) or 'options' (of DuckDB's "
            "reader)."
        ) from None
    copies = {path: name for path, name in names.items() if path != name}
    named = "".join(f" WHEN {literal(path)} THEN {literal(name)}" for path, name in copies.items())
    return numbered.project(f"* REPLACE (CASE _file{named} ELSE _file END AS _file)") if copies else numbered


def _shown(names: Collection[str]) -> str:
    """Name the first files and count the others."""
    first, others = list(names)[:NAMED], len(names) - NAMED
    return ", ".join(first) + (f" and {others:,} more" if others > 0 else "")


def _numbered(connection: DuckDBPyConnection, origin: Origin, files: list[str], kind: Format) -> DuckDBPyRelation:
    if kind == "parquet":  # Parquet numbers its rows
        rows = connection.read_parquet(files, filename=True, file_row_number=True, union_by_name=True)
        return rows.project("* EXCLUDE (filename, file_row_number), filename AS _file, file_row_number + 1 AS _line")
    if kind == "csv":
        # read every value as text: a value that does not fit its type is then a fault of its row, not a crash
        rows = connection.read_csv(files, all_varchar=True, filename="_file", **origin.options)
    else:
        rows = connection.read_json(files, filename=True).project("* RENAME (filename AS _file)")
    numbered = rows.project("*, row_number() OVER () AS _line")
    if len(files) == 1:
        return numbered
    return numbered.project("* REPLACE (_line - min(_line) OVER (PARTITION BY _file) + 1 AS _line)")
