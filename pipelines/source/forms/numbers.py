"""Recognise how numbers are written: decimal mark, thousands separators and signs of currencies."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

CODES = frozenset(
    re.findall(
        r"\S+",
        """AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PHP PLN RMB
        RON RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR R$ kr Kr zł Kč Fr. SFr. lei""",
    )
)
"""Codes and abbreviations of currencies; characters such as $ and € are recognised by their kind."""

SPACES = " \u00a0\u202f"
"""Spaces that separate thousands: the one between words, and two that do not break."""

NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[+-])?\s*(?P<before>[^\d\s.,'\u2019()+-]{{1,4}}\.?)?[\s{SPACES}]*(?P<second>[+-])?"
    rf"(?P<digits>\d[\d.,'\u2019{SPACES}]*?)[\s{SPACES}]*(?P<after>[^\d\s.,'\u2019()+-]{{1,4}}\.?)?(?P<close>\))?"
)

Mark = Literal[".", ","]


class Form(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: decimal mark; None: no number has one.
        thousands: separators of thousands that occur.
        symbols: signs of currencies that occur.
        brackets: whether negative numbers are in brackets.
        ambiguous: whether `1,234` may be 1234 or 1.234.
        fits: how many values are numbers of this form.
        example: one of the values.
    """

    decimal: Mark | None
    thousands: tuple[str, ...]
    symbols: tuple[str, ...]
    brackets: bool
    ambiguous: bool
    fits: int
    example: str

    @property
    def plain(self) -> bool:
        """Whether DuckDB reads these numbers as they are."""
        return not (self.thousands or self.symbols or self.brackets or self.decimal == ",")

    def sql(self, column: str) -> str:
        """SQL that reads a column of this form as numbers.

        >>> number_form(["$1,234.50", "$3.20"]).sql("price")
        "CAST(replace(replace(price, '$', ''), ',', '') AS DOUBLE)"
        """
        text = column
        for removed in (*self.symbols, *self.thousands):
            text = f"replace({text}, {_literal(removed)}, '')"
        if self.brackets:
            text = f"replace(replace({text}, '(', '-'), ')', '')"
        if self.decimal == ",":
            text = f"replace({text}, ',', '.')"
        return f"CAST({text} AS DOUBLE)"


def number_form(values: Sequence[str]) -> Form | None:
    """Say how most of the values are written; None if less than half are numbers.

    >>> form = number_form(["1.234,50 €", "7,20 €"])
    >>> form.decimal, form.thousands, form.symbols
    (',', ('.',), (' ', '€'))
    >>> number_form(["1,234", "12"]).ambiguous
    True
    """
    present = [value.strip() for value in values if value and value.strip()]
    found = [(value, match) for value in present if (match := NUMBER.fullmatch(value)) and _is_number(match)]
    if not present or len(found) * 2 < len(present):
        return None
    digits = [match["digits"] for _, match in found]
    decimal, ambiguous = _decimal(digits)
    marks = {mark for text in digits for mark in re.findall(r"\D", text)}
    symbols = Counter(match[side] for _, match in found for side in ("before", "after") if match[side])
    removed = {space for value, _ in found for space in SPACES if space in value and symbols}
    example = max((value for value, _ in found), key=len)
    return Form(
        decimal=decimal,
        thousands=tuple(sorted(marks - {decimal} - removed)),
        symbols=(*sorted(removed), *(symbol for symbol, _ in symbols.most_common())),
        brackets=any(match["open"] for _, match in found),
        ambiguous=ambiguous,
        fits=len(found),
        example=example,
    )


def _decimal(digits: Sequence[str]) -> tuple[Mark | None, bool]:
    """Decimal mark of numbers, and whether it cannot be told from a thousands separator."""
    marks: tuple[Mark, Mark] = (".", ",")
    for mark in marks:
        other = "," if mark == "." else "."
        last = any(mark in text and other in text and text.rindex(mark) > text.rindex(other) for text in digits)
        short = any(text.count(mark) == 1 and re.search(rf"\{mark}(\d{{1,2}}|\d{{4,}})$", text) for text in digits)
        if last or short:
            return mark, False
    for mark in marks:
        if any(text.count(mark) > 1 for text in digits):
            return None, False
    for mark in marks:
        if any(mark in text for text in digits):
            return mark, True
    return None, False


def _is_number(match: re.Match[str]) -> bool:
    named = [match[side].strip() for side in ("before", "after") if match[side]]
    return bool(match["open"]) == bool(match["close"]) and all(
        symbol in CODES or all(unicodedata.category(letter) == "Sc" or letter in "元円" for letter in symbol)
        for symbol in named
    )


def _literal(text: str) -> str:
    """Text in SQL; spaces that a reader cannot tell apart by their number."""
    if text in SPACES[1:]:
        return f"chr({ord(text)})"
    return "'" + text.replace("'", "''") + "'"
