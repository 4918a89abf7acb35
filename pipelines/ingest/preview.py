"""Map the first rows of a source without writing anything."""

import tempfile
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import PurseError
from pipelines.ingest.files import locate_all
from pipelines.ingest.lock import describe, lock
from pipelines.ingest.staging import prepare, staged
from pipelines.source.definition import Source
from pipelines.source.forms.hints import hints

ROWS = 10
"""Rows shown of each table."""


def preview(source: Source) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Map rows of each table as `ingest` would.

    Returns:
        The first rows of each table with `fault`, and hints about its unreadable columns.

    Raises:
        PurseError: a file is missing or unreadable, or an expression does not fit.
    """
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/preview.duckdb") as connection:
        located = locate_all(source, Path(folder))
        files = [file for origin in located.values() for file in origin]
        prepare(connection, source)
        lock(connection, files)
        shown, told = {}, []
        try:
            for name, mapped in source.tables.items():
                staged(connection, located, source, name).create(f"preview_{name}")
                rows = connection.table(f"preview_{name}")
                told += hints(rows, name, mapped)
                table = rows.order("day DESC, source_file, source_line").limit(ROWS).to_arrow_table()
                shown[name] = table.drop_columns(["source_file", "source_line", "day"]).to_pylist()
        except duckdb.Error as error:
            raise PurseError(
                f"Source file {source.path}: {describe(error, files)}. Correct the file or 'from'."
            ) from None
    return shown, told
