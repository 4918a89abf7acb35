"""Read a sample of files: their columns, and values as text."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
from charset_normalizer import from_bytes

from pipelines.errors import PurseError
from pipelines.ingest.excel import is_workbook
from pipelines.ingest.files import file_format, locate
from pipelines.ingest.lock import describe
from pipelines.source.definition import Origin, Source, SourceTable

ROWS = 5_000
"""Rows looked at, spread over a file."""

BYTES = 1 << 18
"""Bytes of a text file from which its encoding is guessed."""


@dataclass(frozen=True)
class Sample:
    """Columns of one file, or of several with the same columns, with values as text."""

    files: tuple[Path, ...]
    encoding: str
    sheet: str | None
    columns: dict[str, list[str]]

    @property
    def rows(self) -> int:
        """Rows that were looked at."""
        return max((len(values) for values in self.columns.values()), default=0)


def samples(files: list[Path], sheet: str | None, cache: Path) -> list[Sample]:
    """Read a sample of each file; files with the same columns are one sample. `sheet` is the one of workbooks.

    Raises:
        PurseError: a file is missing, empty or unreadable.
    """
    found: dict[frozenset[str], Sample] = {}
    for file in files:
        one = _sample(file, sheet, cache)
        same = found.get(frozenset(one.columns))
        if same:
            merged = {name: [*same.columns[name], *values] for name, values in one.columns.items()}
            one = Sample((*same.files, *one.files), same.encoding, same.sheet, merged)
        found[frozenset(one.columns)] = one
    return list(found.values())


def _sample(file: Path, sheet: str | None, cache: Path) -> Sample:
    if not file.is_file():
        raise PurseError(f"There is no file {file}. Name the files of one export, such as exports/orders.csv.")
    origin = Origin(files=str(file.resolve()), encoding=_encoding(file), sheet=sheet if is_workbook(file) else None)
    located = list(locate(origin, _draft(origin), cache))
    try:
        with duckdb.connect() as connection:
            kind = file_format(origin, located, str(file))
            if kind == "csv":
                rows = connection.read_csv(located, all_varchar=True, union_by_name=True)
            elif kind == "parquet":
                rows = connection.read_parquet(located, union_by_name=True)
            else:
                rows = connection.read_json(located)
            as_text = ", ".join(f"CAST(#{place} AS VARCHAR)" for place in range(1, len(rows.columns) + 1))
            names, kept = (
                rows.columns,
                rows.project(as_text).query("rows", f"FROM rows USING SAMPLE {ROWS} ROWS (reservoir, 0)"),
            )
            values = list(zip(*kept.fetchall(), strict=True))
    except duckdb.Error as error:
        raise PurseError(
            f"{file} cannot be read: {describe(error, located)}. Is it CSV, Excel, JSON or Parquet?"
        ) from None
    if not values:
        raise PurseError(f"{file} has no rows below its column names. Name a file with rows.")
    columns = {name: [text for text in column if text is not None] for name, column in zip(names, values, strict=True)}
    return Sample((file,), origin.encoding, origin.sheet if isinstance(origin.sheet, str) else None, columns)


def _encoding(file: Path) -> str:
    """Encoding of a text file; UTF-8 for every other."""
    if file.suffix.lower() not in {".csv", ".tsv", ".txt"}:
        return "utf-8"
    with file.open("rb") as opened:
        start = opened.read(BYTES)
    try:
        start[: start.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        best = from_bytes(start, cp_isolation=["utf_16", "cp1252", "gb18030", "shift_jis", "big5"]).best()
        return best.encoding if best else "cp1252"
    return "utf-8"


def _draft(origin: Origin) -> Source:
    """Source that only says where paths count from; they are absolute here."""
    lines = SourceTable.model_construct(origin=origin, columns={})
    return Source.model_construct(title="", path=Path("draft.yaml"), tables={"order_lines": lines}, currency=None)
