"""Dirt: errors between a shop and its exports. Clean rows are unchanged, and no row is lost."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketplace.plan import Plan, Stream
from marketplace.shop import Day

SHARE = 0.01
"""Default share of rows that a kind of dirt spoils."""

LATEST_DAYS = 3
PRICE_SLIP = 100  # misplaced decimal point
DWELL_SLIP = 1000  # milliseconds recorded as seconds

KINDS = {
    "nulls": "values of some columns are missing, in the given share of the rows of each",
    "duplicates": "rows occur twice",
    "outliers": f"prices are multiplied by {PRICE_SLIP}, dwell times by {DWELL_SLIP}",
    "late": f"rows arrive 1 to {LATEST_DAYS} days after their day",
    "out_of_order": "rows change places within the file",
    "bad_encodings": "UTF-8 is read as Latin-1, in the given share of the rows with letters beyond ASCII",
}
"""Kinds of dirt and their effect."""

NULL_COLUMNS = {
    "users": ("age", "gender", "occupation", "city"),
    "order_lines": ("user_id", "discount"),
    "events": ("user_id", "product_id", "session_id", "dwell_seconds"),
}
SLIPS = {"order_lines": (("unit_price", "amount"), PRICE_SLIP), "events": (("dwell_seconds",), DWELL_SLIP)}
TEXT_COLUMNS = {"users": ("city",), "events": ("query",)}
TABLES = ("users", "order_lines", "events")


class Dirt:
    """Spoil tables as planned, with separate random numbers, and count the spoiled rows.

    Attributes:
        spoiled: number of rows by "table.kind", for nulls by "table.nulls.column".
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.spoiled: Counter[str] = Counter()

    def users(self, table: pa.Table) -> pa.Table:
        """Spoil the users. They are delivered at once, so no row is late or out of order."""
        return self._spoil("users", table, self._plan.random(Stream.DIRT, TABLES.index("users")))

    def days(self, days: Iterable[Day]) -> Iterator[Day]:
        """Spoil the days: late rows move from their own day to the day on which they arrive."""
        late: dict[str, dict[int, list[pa.Table]]] = {"order_lines": {}, "events": {}}
        for day in days:
            tables = {}
            for name, waiting in late.items():
                random = self._plan.random(Stream.DIRT, TABLES.index(name), day.number)
                table = self._spoil(name, getattr(day, name), random)
                table = self._hold_back(name, table, day.number, waiting, random)
                tables[name] = self._shuffle(name, table, random)
            yield replace(day, **tables)

    def _spoil(self, name: str, table: pa.Table, random: np.random.Generator) -> pa.Table:
        # duplicates first, then nulls: a copy can be spoiled, a null cannot, so the counts match the file
        kinds, everywhere = self._plan.dirt, np.ones(table.num_rows, bool)
        if "duplicates" in kinds:
            twice = np.flatnonzero(self._some(f"{name}.duplicates", everywhere, random))
            table = table.take(np.sort(np.concatenate([np.arange(table.num_rows), twice])))
            everywhere = np.ones(table.num_rows, bool)
        for column in NULL_COLUMNS[name] if "nulls" in kinds else ():
            rows = self._some(f"{name}.nulls.{column}", everywhere, random)
            table = _set(table, column, pc.if_else(rows, None, table[column]))
        if "outliers" in kinds and name in SLIPS:
            columns, factor = SLIPS[name]
            rows = self._some(f"{name}.outliers", _given(table[columns[0]]), random)
            for column in columns:
                slipped = pc.if_else(rows, pc.multiply(table[column], factor), table[column])
                table = _set(table, column, slipped.cast(table[column].type))
        for column in TEXT_COLUMNS.get(name, ()) if "bad_encodings" in kinds else ():
            text = table[column].combine_chunks()
            if not len(text.dictionary):  # all values are null
                continue
            beyond_ascii = np.array([not word.isascii() for word in text.dictionary.to_pylist()])
            index = text.indices.fill_null(0).to_numpy()
            rows = self._some(f"{name}.bad_encodings", beyond_ascii[index] & _given(text), random)
            table = _set(table, column, _misread(text, rows))
        return table

    def _some(self, what: str, eligible: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Mask of the eligible rows to spoil; `what`, "table.kind", is counted."""
        chosen = eligible & (random.random(len(eligible)) < self._plan.dirt[what.split(".")[1]])
        self.spoiled[what] += int(chosen.sum())
        return chosen

    def _hold_back(
        self, name: str, table: pa.Table, day: int, waiting: dict[int, list[pa.Table]], random: np.random.Generator
    ) -> pa.Table:
        """Remove the rows that will be late and add those that arrive today; rows of the last days are never late."""
        if "late" not in self._plan.dirt:
            return table
        if day + LATEST_DAYS < self._plan.days:
            late = self._some(f"{name}.late", np.ones(table.num_rows, bool), random)
            delay = random.integers(1, LATEST_DAYS + 1, table.num_rows)
            for days in range(1, LATEST_DAYS + 1):
                waiting.setdefault(day + days, []).append(table.filter(pa.array(late & (delay == days))))
            table = table.filter(pa.array(~late))
        return pa.concat_tables([table, *waiting.pop(day, [])]).unify_dictionaries()

    def _shuffle(self, name: str, table: pa.Table, random: np.random.Generator) -> pa.Table:
        if "out_of_order" not in self._plan.dirt:
            return table
        order = np.arange(table.num_rows)
        moved = np.flatnonzero(self._some(f"{name}.out_of_order", np.ones(table.num_rows, bool), random))
        order[moved] = np.roll(moved, 1)
        return table.take(order)


def misread(text: str) -> str:
    """Read UTF-8 as Latin-1.

    >>> misread("Köln")
    'KÃ¶ln'
    """
    return text.encode().decode("latin-1")


def _misread(text: pa.DictionaryArray, rows: np.ndarray) -> pa.DictionaryArray:
    """Misread the text of some rows; each of them has letters beyond ASCII."""
    words = text.dictionary.to_pylist()
    spoilt = [word for word in words if not word.isascii()]
    place = {word: len(words) + number for number, word in enumerate(spoilt)}
    misread_as = np.array([place.get(word, 0) for word in words], np.int16)
    index = text.indices.fill_null(0).to_numpy()
    indices = pa.array(np.where(rows, misread_as[index], index), mask=~_given(text))
    return pa.DictionaryArray.from_arrays(indices, pa.array(words + [misread(word) for word in spoilt]))


def _given(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Mask of values that are not null."""
    return np.asarray(column.is_valid())


def _set(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)
