"""Read the rows of an origin, each with the name of its file and its number there."""

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from pipelines.errors import PurseError
from pipelines.ingest.database import query
from pipelines.ingest.excel import is_workbook
from pipelines.ingest.file_query import run
from pipelines.ingest.files import file_format, input_place, origins
from pipelines.ingest.first_lines import filled, lines_above
from pipelines.ingest.formats import OPTIONS, SHEET_OPTIONS, checked, differences, numbered
from pipelines.ingest.lock import describe
from pipelines.lake.sql import literal
from pipelines.source.definition import Origin, Source, expand_environment

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
        rows = query(connection, origin.sql, expand_environment(str(origin.connection), place), place)
        return rows.project("*, 'sql' AS _file, row_number() OVER () AS _line")
    if not origin.query:
        return _of_files(connection, located[key], origin, place)
    inputs = {name: (part, located[input_place(key, origin, name)]) for name, part in origin.inputs().items()}
    tables = {name: _of_files(connection, names, part, place) for name, (part, names) in inputs.items()}
    names = [named for _, files in inputs.values() for named in files.values()]
    files = [file for _, files in inputs.values() for file in files]
    return run(connection, origin.query, tables, files, place, _shown(names))


def odd_files(connection: DuckDBPyConnection, located: Located, source: Source) -> list[str]:
    """Say which files of a source are empty, and which CSV files lack columns that others of the same origin have.

    Raises:
        PurseError: a file has no column of the others, or its format has no such option.
    """
    found = []
    for key, origin in origins(source).items():
        for name, part in origin.inputs().items() if not origin.sql else ():
            place = f"Source file {source.path}, {input_place(key, origin, name)}"
            every = located[input_place(key, origin, name)]
            names = filled(every)
            found += [f"{place}: {named} is empty." for path, named in every.items() if names and path not in names]
            if len(names) > 1 and file_format(part, [*names], place) == "csv":
                try:
                    found += differences(connection, names, checked(part.options, OPTIONS["csv"], "csv", place), place)
                except duckdb.Error as error:
                    raise _unreadable(error, names, "csv", place) from None
    return found


def _of_files(connection: DuckDBPyConnection, names: Mapping[str, str], origin: Origin, place: str) -> DuckDBPyRelation:
    """Read files by path; `names` has the name that the source gives each."""
    names = filled(names) or names
    files = list(names)
    kind = file_format(origin, files, place)
    sheets = kind == "parquet" and any(is_workbook(Path(name.partition(", sheet ")[0])) for name in names.values())
    options = checked(origin.options, SHEET_OPTIONS if sheets else OPTIONS[kind], "workbook" if sheets else kind, place)
    if kind == "csv" and not {"skiprows", "comment"} & {*options}:
        for file, name in names.items():
            if above := lines_above(file):
                raise PurseError(
                    f"{place}: {name} line {above + 1} looks like the names of the columns. Write options: {{skiprows: "
                    f"{above}}} under 'from' to leave out the lines above, or {{skiprows: 0}} to read them."
                )
    try:
        rows = numbered(connection, files, kind, {} if sheets else options)
    except (duckdb.Error, TypeError) as error:
        raise _unreadable(error, names, kind, place) from None
    copies = {path: name for path, name in names.items() if path != name}
    named = "".join(f" WHEN {literal(path)} THEN {literal(name)}" for path, name in copies.items())
    return rows.project(f"* REPLACE (CASE _file{named} ELSE _file END AS _file)") if copies else rows


def _shown(names: Collection[str]) -> str:
    """Name the first files and count the others."""
    first, others = list(names)[:NAMED], len(names) - NAMED
    return ", ".join(first) + (f" and {others:,} more" if others > 0 else "")


def _unreadable(error: Exception, names: Mapping[str, str], kind: str, place: str) -> PurseError:
    return PurseError(
        f"{place}: {_shown(names.values())} cannot be read as {kind}: {describe(error, names)}. Repair the file, or "
        "set 'format', 'encoding' (for text that is not UTF-8) or 'options' (of DuckDB's reader; 'skiprows' for lines "
        "above the names of the columns)."
    )
