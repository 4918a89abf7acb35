"""Lock DuckDB before a source's SQL runs, and describe its errors without quoting rows."""

import re
from collections.abc import Iterable

import duckdb
from duckdb import DuckDBPyConnection

from pipelines.lake.sql import literal

ABOUT_THE_QUERY = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.IOException,
    duckdb.NotImplementedException,
    duckdb.ParserException,
    duckdb.PermissionException,
    duckdb.SyntaxException,
)
"""Errors that name SQL, columns and paths; the messages of all others may quote rows."""

WITHOUT_VALUES = (
    r"CSV Error on Line: \d+",
    r"Expected Number of Columns: \d+ Found: \d+",
    r"Value with unterminated quote found",
    r"Invalid unicode \(byte sequence mismatch\) detected",
    r"Malformed JSON",
    r"Failed to cast value",
    r"at byte \d+",
    r"in line \d+",
    r"too small to be a Parquet file",
    r"No magic bytes found at end of file",
    r"Could not (?:convert|parse) string",
    r"Overflow in \w+",
    r'do not have the "\w+" argument',
    r"read_csv '\w+' [\w ]+",
    r"The \w+ option [\w ]+",
)
"""Parts of DuckDB's other messages that say what is wrong and quote no value."""


def lock(connection: DuckDBPyConnection, files: Iterable[str]) -> None:
    """Let a connection open only these files, its own database and its spill folder; nothing can undo it.

    No expression can then read another file or address, load an extension, see a variable of this process or change
    a setting.
    """
    names = ", ".join(literal(file) for file in dict.fromkeys(files))
    for statement in (
        f"SET allowed_paths = [{names}]",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET allow_community_extensions = false",
        "SET python_enable_replacements = false",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)


def describe(error: Exception, files: Iterable[str] = (), columns: Iterable[str] = ()) -> str:
    """Say what DuckDB found wrong, without values of rows.

    Args:
        error: error of DuckDB, or a TypeError about its reader's options.
        files: paths that the message may name.
        columns: columns that the message may name.
    """
    text = str(error)
    if isinstance(error, duckdb.PermissionException):
        return f"{text} (the SQL of a source reads only the files under 'files')"
    if isinstance(error, (*ABOUT_THE_QUERY, TypeError)):
        return text
    kind = re.match(r"[A-Z][A-Za-z ]* Error(?=:)", text)
    facts = [match[0] for pattern in WITHOUT_VALUES if (match := re.search(pattern, text))]
    facts += [f"column {column}" for column in columns if re.search(rf'column "?{re.escape(column)}(?!\w)', text)]
    facts += [f"in {file}" for file in files if file in text]
    return f"{kind[0] if kind else type(error).__name__}: {', '.join(facts) or 'no details'} (values are left out)"
