"""Copy the sheets of Excel and OpenDocument workbooks to Parquet files of text, which DuckDB reads."""

import datetime
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from pipelines.errors import PurseError
from pipelines.source.definition import Origin

ENDINGS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
"""Extensions of workbooks."""

ALL = "*"
"""Value of 'sheet' for every sheet with rows."""

ROWS_AT_ONCE = 50_000
"""Rows converted at a time."""

Row = Sequence[object]


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook by its extension."""
    return path.suffix.lower() in ENDINGS


def copy_sheets(path: Path, named: Path, origin: Origin, cache: Path) -> dict[str, str]:
    """Copy the sheets of a workbook that an origin names; an unchanged workbook is copied once.

    Every cell becomes text: whole numbers without a fraction (an id 17850.0 is "17850"), dates and times in ISO form.

    Args:
        path: the workbook.
        named: the workbook as the source names it.
        origin: `sheet` names the sheets, `decimal` is the decimal mark, `options.skiprows` counts rows above the names.
        cache: folder of the copies.

    Returns:
        The name to show in messages by the path of the copy.

    Raises:
        PurseError: the workbook is unreadable, protected or empty, or `sheet` does not say which sheets to read.
    """
    try:
        with CalamineWorkbook.from_path(path) as book:
            sheets = _chosen(book, named, origin)
            copies = {_copy(path, named, sheet, origin, cache): sheet.name for sheet in sheets}
    except CalamineError as error:
        raise PurseError(
            f"{named} cannot be read as a workbook: {error}. Remove its password if it has one, or save it again as "
            ".xlsx or .csv."
        ) from None
    return {str(copy): str(named) if len(copies) == 1 else f"{named}, sheet {name}" for copy, name in copies.items()}


def _chosen(book: CalamineWorkbook, named: Path, origin: Origin) -> list[CalamineSheet]:
    """Sheets that the origin names, by default the only sheet with rows."""
    names = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    chosen = [origin.sheet] if isinstance(origin.sheet, str) else origin.sheet
    if missing := [name for name in chosen or [] if name not in (*names, ALL)]:
        raise PurseError(f"{named} has no sheet '{missing[0]}'; it has {', '.join(names)}. Correct 'sheet'.")
    wanted = names if not chosen or ALL in chosen else chosen
    filled = [sheet for sheet in map(book.get_sheet_by_name, wanted) if sheet.height]
    if not filled:
        raise PurseError(f"{named} has no rows on {', '.join(wanted)}. Correct 'files' or 'sheet'.")
    if not chosen and len(filled) > 1:
        raise PurseError(
            f"{named} has {len(filled)} sheets with rows: {', '.join(sheet.name for sheet in filled)}. Write under "
            f'\'from\' which to read: sheet: "{filled[0].name}", a list of sheets, or sheet: "{ALL}" for all.'
        )
    return filled


def _copy(path: Path, named: Path, sheet: CalamineSheet, origin: Origin, cache: Path) -> Path:
    state, skipped = path.stat(), origin.options.get("skiprows", 0)
    identity = f"{path.resolve()} {state.st_size} {state.st_mtime_ns} {sheet.name} {origin.decimal} {skipped}"
    copy = cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"
    if not copy.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache, prefix=f".{copy.name}.")
        os.close(handle)
        try:
            _write(sheet, named, origin.decimal or ".", skipped, Path(temporary))
            Path(temporary).replace(copy)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return copy


def _write(sheet: CalamineSheet, named: Path, decimal: str, skipped: int, target: Path) -> None:
    rows = (row for number, row in enumerate(sheet.iter_rows()) if number >= skipped and any(_filled(row)))
    header = next(rows, None)
    if header is None:
        raise PurseError(f"{named}, sheet {sheet.name}: no rows after 'skiprows: {skipped}'. Correct 'options'.")
    schema = pa.schema([(name, pa.string()) for name in _names(header)])
    with pq.ParquetWriter(target, schema) as writer:
        for part in _parts(rows):
            columns = [[_text(row[place], decimal) for row in part] for place in range(len(schema))]
            writer.write_table(pa.table(columns, schema=schema))


def _names(header: Row) -> list[str]:
    """Name each column once: an empty name becomes `column3`, a repeated one `price_1`."""
    names: list[str] = []
    for place, cell in enumerate(header, 1):
        name = (_text(cell, ".") or "").strip() or f"column{place}"
        repeated = sum(other == name or other.startswith(f"{name}_") for other in names) if name in names else 0
        names.append(f"{name}_{repeated}" if repeated else name)
    return names


def _parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == ROWS_AT_ONCE:
            yield part
            part = []
    yield part


def _filled(row: Row) -> Iterator[bool]:
    return (cell not in ("", None) for cell in row)


def _text(cell: object, decimal: str) -> str | None:
    """Text of a cell; None for an empty one and for an error such as #N/A.

    >>> _text(17850.0, "."), _text(2.5, ","), _text(datetime.date(2025, 2, 1), "."), _text("", ".")
    ('17850', '2,5', '2025-02-01', None)
    """
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell).replace(".", decimal)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)
