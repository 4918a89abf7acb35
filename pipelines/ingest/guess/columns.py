"""Find which column of a file is which column of Purse, by name and by values."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import yaml

from features.schema import TABLES, Column
from pipelines.settings import REPOSITORY
from pipelines.source.forms.numbers import Form, number_form
from pipelines.source.forms.times import Reading, readings

PART = 0.5
"""Score of a name that contains a known one; a known name scores from 1 down to 0.9."""

LOOKED_AT = 1_000
"""Values of a column from which its form is recognised."""


@dataclass(frozen=True)
class Match:
    """Column of a file that stands for a column of Purse."""

    name: str
    score: float
    times: tuple[Reading, ...] = ()
    numbers: Form | None = None
    others: tuple[str, ...] = ()


@cache
def known_names() -> dict[str, dict[str, list[str]]]:
    """Normalised names by table and column, best first; `currency` stands under its own name."""
    listed = yaml.safe_load((REPOSITORY / "conf" / "column_names.yaml").read_text())
    currency = {"currency": {"currency": listed.pop("currency")}}
    return {
        table: {column: [normalised(name) for name in names] for column, names in columns.items()}
        for table, columns in (listed | currency).items()
    }


def normalised(name: str) -> str:
    """Name without case, accents, spaces and punctuation.

    >>> normalised("Order No."), normalised("Kunden-Nr"), normalised("Stück"), normalised("订单号")
    ('orderno', 'kundennr', 'stuck', '订单号')
    """
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def matches(table: str, columns: Mapping[str, Sequence[str]]) -> dict[str, Match]:
    """Match columns of a file to those of a canonical table, each file column at most once, best pairs first."""
    wanted = {column.name: column for column in TABLES[table].columns}
    scored = []
    for place, (target, names) in enumerate(known_names()[table].items()):
        for name, values in columns.items():
            if score := _score(normalised(name), names):
                scored.append((-score, place, target, name, values))
    found: dict[str, Match] = {}
    used: set[str] = set()
    for negative, _, target, name, values in sorted(scored, key=lambda one: one[:2]):
        if target in found or name in used:
            continue
        match = _checked(wanted[target], name, -negative, values)
        if match:
            others = tuple(one[3] for one in scored if one[2] == target and one[3] != name and -one[0] >= PART)
            found[target] = Match(match.name, match.score, match.times, match.numbers, others)
            used.add(name)
    return found


def currencies(columns: Mapping[str, Sequence[str]]) -> tuple[str, list[str]] | None:
    """Column with codes of currencies, and its codes."""
    for name, values in columns.items():
        if _score(normalised(name), known_names()["currency"]["currency"]) > PART and values:
            return name, sorted({value.upper() for value in values if re.fullmatch("[A-Za-z]{3}", value)})
    return None


def _score(name: str, names: Sequence[str]) -> float:
    if name in names:
        return 1 - 0.1 * names.index(name) / len(names)
    parts = [known for known in names if len(known) > 3 and known in name]  # noqa: PLR2004 - shorter ones are in every word
    return PART * max(len(part) for part in parts) / len(name) if parts else 0.0


def _checked(column: Column, name: str, score: float, values: Sequence[str]) -> Match | None:
    """A match whose values have the column's type."""
    looked_at = list(values[:LOOKED_AT])
    if column.type == "TIMESTAMP":
        times = tuple(readings(looked_at))
        return Match(name, score, times=times) if times else None
    if column.type in ("DOUBLE", "BIGINT"):
        form = number_form(looked_at)
        return Match(name, score, numbers=form) if form else None
    return Match(name, score) if looked_at else None
