"""Read files of one format, matched by column name: text formats as text, Parquet with its schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from duckdb import DuckDBPyConnection, DuckDBPyRelation
from duckdb.sqltypes import DuckDBPyType

from pipelines.errors import PurseError
from pipelines.source.definition import Format
from pipelines.source.forms.names import quoted

ALIASES = {
    "skip": "skiprows",
    "delim": "delimiter",
    "separator": "sep",
    "quote": "quotechar",
    "escape": "escapechar",
    "nullstr": "na_values",
    "null": "na_values",
    "new_line": "lineterminator",
    "column_names": "names",
    "maximum_line_size": "max_line_size",
}
"""DuckDB's own names of options, which its messages propose, by the names that its Python reader takes."""

OPTIONS: Mapping[Format, tuple[str, ...]] = {
    "csv": (
        *("allow_quoted_nulls", "auto_detect", "buffer_size", "columns", "comment", "compression", "delimiter"),
        *(
            "escapechar",
            "files_to_sniff",
            "force_not_null",
            "header",
            "hive_partitioning",
            "ignore_errors",
            "lineterminator",
        ),
        *("max_line_size", "na_values", "names", "normalize_names", "null_padding", "parallel", "quotechar"),
        *("sample_size", "sep", "skiprows", "strict_mode", "union_by_name"),
    ),
    "json": (
        *("compression", "format", "hive_partitioning", "ignore_errors", "map_inference_threshold"),
        *("maximum_object_size", "records", "sample_size"),
    ),
    "parquet": ("binary_as_string", "compression", "hive_partitioning"),
}
"""Options of each format. Those that set types are left out, because Purse reads text as text; `columns` stays for
files whose first lines mislead the detection."""

SHEET_OPTIONS = ("skiprows",)
"""Options of workbooks."""

NAMED = 3
"""Files and columns that a warning names."""


def checked(options: Mapping[str, Any], allowed: Sequence[str], kind: str, place: str) -> dict[str, Any]:
    """Return the options by the names that the reader takes.

    Raises:
        PurseError: the format has no such option.
    """
    named = {name if name in allowed else ALIASES.get(name, name): value for name, value in options.items()}
    if wrong := [name for name in named if name not in allowed]:
        raise PurseError(
            f"{place}: {kind} files have no option '{wrong[0]}'; allowed under 'options': {', '.join(allowed)}. "
            "Correct its name or leave it out."
        )
    return named


def numbered(
    connection: DuckDBPyConnection, files: Sequence[str], kind: Format, options: Mapping[str, Any]
) -> DuckDBPyRelation:
    """Read files with `_file` and `_line`, the number of the record in its file."""
    if kind == "parquet":  # Parquet numbers its rows
        rows = connection.read_parquet([*files], filename=True, file_row_number=True, union_by_name=True, **options)
        return rows.project("* EXCLUDE (filename, file_row_number), filename AS _file, file_row_number + 1 AS _line")
    if kind == "csv":
        rows = _csv(connection, files, options)
    else:
        types = {name: as_text(type_) for name, type_ in _json_types(connection, files, options).items()}
        rows = connection.read_json([*files], columns=types, filename=True, **options)
        rows = rows.project("* RENAME (filename AS _file)")
    counted = rows.project("*, row_number() OVER () AS _line")
    if len(files) == 1:
        return counted
    return counted.project("* REPLACE (_line - min(_line) OVER (PARTITION BY _file) + 1 AS _line)")


def as_text(kind: DuckDBPyType) -> str:
    """Keep the structure of a JSON type and read its values as text: 2^53 + 1 and 12.50 stay what they are."""
    if kind.id == "struct":
        return "STRUCT({})".format(", ".join(f"{quoted(name)} {as_text(part)}" for name, part in kind.children))
    if kind.id == "list":
        return f"{as_text(kind.children[0][1])}[]"
    if kind.id == "map":
        return f"MAP(VARCHAR, {as_text(kind.children[1][1])})"
    return "BOOLEAN" if kind.id == "boolean" else "VARCHAR"


def differences(
    connection: DuckDBPyConnection, names: Mapping[str, str], options: Mapping[str, Any], place: str
) -> list[str]:
    """Say which CSV files lack columns that others have; `names` has the name that the source gives each path.

    Raises:
        PurseError: a file has no column in common with the others, as one without a header.
    """
    columns = {path: {name.lower(): name for name in _csv(connection, [path], options).columns[:-1]} for path in names}
    every = {key: name for found in columns.values() for key, name in found.items()}
    found = []
    for path, own in reversed(columns.items()):
        others = {name for other, theirs in columns.items() if other != path for name in theirs}
        if own and others and not own.keys() & others:
            raise PurseError(
                f"{place}: {names[path]} has the columns {_some([*own.values()])}, and none of the other files has one "
                "of them. Give the file its header, or name it in a source of its own."
            )
        if missing := [name for key, name in every.items() if key not in own]:
            found.append(f"{names[path]} has no column {_some(missing)}")
    return [f"{place}: {_some(found[::-1], '; ')}. The values of its rows are empty there."] if found else []


def _csv(connection: DuckDBPyConnection, files: Sequence[str], options: Mapping[str, Any]) -> DuckDBPyRelation:
    # columns are used by name, so the first line has them; a value that does not fit its type is a fault of its row
    by_default = {"union_by_name": len(files) > 1} | ({} if "names" in options else {"header": True})
    return connection.read_csv([*files], all_varchar=True, filename="_file", **{**by_default, **options})


def _json_types(
    connection: DuckDBPyConnection, files: Sequence[str], options: Mapping[str, Any]
) -> dict[str, DuckDBPyType]:
    """Types of the top-level fields over all records of all files."""
    whole = {"sample_size": -1, **options}
    rows = connection.read_json([*files], maximum_sample_files=len(files), **whole)
    return dict(zip(rows.columns, rows.types, strict=True))


def _some(parts: Sequence[str], between: str = ", ") -> str:
    more = len(parts) - NAMED
    return between.join(parts[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
