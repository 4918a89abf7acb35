"""Store the rows of a database query in DuckDB as they come: ids stay exact, and a column has one type."""

import datetime
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from pipelines.source.forms.names import quoted

EXACT = 2**53
"""Integers up to it are exact as floating-point numbers."""

DIGITS = 38
"""Most digits of a DECIMAL."""


class Column:
    """Text of a column's values, and the type that all of them have."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.largest = 0
        self.digits = self.scale = 0

    def texts(self, values: Sequence[object]) -> list[str | None]:
        """Write values as text that casts to `type` without a loss; None for a null."""
        return [None if value is None else self._text(value) for value in values]

    @property
    def type(self) -> str:
        """DuckDB's type; VARCHAR for values of several types, and for integers that no type holds exactly."""
        if self.kinds == {"BIGINT"}:
            return "BIGINT" if self.largest < 2**63 else "HUGEINT" if self.largest < 2**127 else "VARCHAR"
        if self.kinds and self.kinds <= {"DECIMAL", "BIGINT"}:
            digits = max(self.digits, len(str(self.largest))) + self.scale
            return f"DECIMAL({digits}, {self.scale})" if digits <= DIGITS else "VARCHAR"
        if "DOUBLE" in self.kinds and self.kinds <= {"DOUBLE", "BIGINT", "DECIMAL"}:
            return "DOUBLE" if self.largest <= EXACT else "VARCHAR"
        if self.kinds == {"TIMESTAMP", "DATE"}:
            return "TIMESTAMP"
        return next(iter(self.kinds)) if len(self.kinds) == 1 else "VARCHAR"

    def _text(self, value: object) -> str:
        kind, text = "VARCHAR", None
        if isinstance(value, bool):
            kind, text = "BOOLEAN", str(value).lower()
        elif isinstance(value, int):
            kind, self.largest = "BIGINT", max(self.largest, abs(value))
        elif isinstance(value, float):
            kind = "DOUBLE"
            text = str(int(value)) if value.is_integer() and abs(value) <= EXACT else repr(value)
        elif isinstance(value, Decimal):
            kind, text = self._decimal(value)
        elif isinstance(value, datetime.datetime):
            kind = "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP"
        elif isinstance(value, datetime.date):
            kind = "DATE"
        elif isinstance(value, dict | list):
            text = json.dumps(value, default=str, ensure_ascii=False)
        elif isinstance(value, bytes | bytearray | memoryview):
            text = _of_bytes(bytes(value))
        self.kinds.add(kind)
        return str(value) if text is None else text

    def _decimal(self, value: Decimal) -> tuple[str, str]:
        if not value.is_finite():
            return "DOUBLE", str(value)
        text = format(value, "f")
        whole, _, fraction = text.lstrip("-").partition(".")
        self.digits, self.scale = max(self.digits, len(whole)), max(self.scale, len(fraction))
        return "DECIMAL", text


def store(
    connection: DuckDBPyConnection, name: str, columns: Iterable[str], parts: Iterable[Sequence[Sequence[object]]]
) -> DuckDBPyRelation:
    """Store parts of a result in a new table, and return its rows in the types that all values have."""
    names = _once(columns)
    found = [Column() for _ in names]
    schema = pa.schema([(column, pa.string()) for column in names])
    connection.from_arrow(schema.empty_table()).create(name)
    for part in parts:
        texts = [column.texts(values) for column, values in zip(found, zip(*part, strict=True), strict=True)]
        connection.from_arrow(pa.table(texts, schema=schema)).insert_into(name)
    typed = (f"CAST({quoted(n)} AS {one.type}) AS {quoted(n)}" for n, one in zip(names, found, strict=True))
    return connection.table(name).project(", ".join(typed))


def _once(columns: Iterable[str]) -> list[str]:
    """Name each column once: the second `id` of a join becomes `id_1`."""
    names: list[str] = []
    for name in columns:
        seen = sum(other.lower() == name.lower() for other in names)
        names.append(f"{name}_{seen}" if seen else name)
    return names


def _of_bytes(value: bytes) -> str:
    """Text of bytes, in hexadecimal digits if they are not UTF-8, as of a binary UUID."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
