"""Money of quarantined order lines: few rows may be most of the revenue."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from expectations.staged import FIRST_OF_ITS_KEY, NOT_REPLACED, OF_SOMEBODY, RECORD

NOT_LOST = {NOT_REPLACED, "amount_finite", "amount_not_impossible"}
"""Rules whose rows cost the shop nothing: another row has the order, or the amount is no money."""

TOLD = (OF_SOMEBODY, FIRST_OF_ITS_KEY)
"""Rules whose money is reported, but not lost: the source leaves it out, or another row has it."""

GROUPS = re.compile(r"[^\d+-]{0,4}([+-]?\d{1,3}(?:[.,'\u2019\s\u00a0]\d{3})+)(?:[.,](\d{1,2}))?[^\d]{0,4}")
"""A number with thousands separators, with a currency sign or without."""


@dataclass(frozen=True)
class Money:
    """Absolute amounts of a portion's rows.

    Attributes:
        kept: sum of the accepted rows.
        lost: sum of quarantined rows, without `NOT_LOST` and `TOLD`.
        by_rule: sum by broken rule; a row that breaks two counts for both.
    """

    kept: float = 0.0
    lost: float = 0.0
    by_rule: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.kept + other.kept, self.lost + other.lost, self.by_rule + other.by_rule)


def money_of(good: pa.Table, bad: pa.Table) -> Money:
    """Sum the money of accepted and quarantined rows; a table without amounts has none.

    The amount of an unreadable row is estimated: a number with thousands separators in its source record, times the
    quantity, or else the mean of the accepted rows.
    """
    if "amount" not in good.column_names:
        return Money()
    sizes = pc.abs(good["amount"])
    kept, mean = float(pc.sum(sizes).as_py() or 0), float(pc.mean(sizes).as_py() or 0)
    by_rule: Counter[str] = Counter()
    lost = 0.0
    columns = [name for name in ("amount", "quantity", "fault", "reason") if name in bad.column_names]
    for row in bad.select(columns).to_pylist():
        rules = row["reason"].split(", ")
        if set(rules) & NOT_LOST:
            continue
        money = _size(row, mean)
        if told := next((rule for rule in TOLD if rule in rules), None):
            by_rule.update({told: money})
            continue
        by_rule.update(dict.fromkeys(rules, money))
        lost += money
    return Money(kept, lost, by_rule)


def _size(row: dict[str, Any], mean: float) -> float:
    """Size of a row's amount, or its estimate."""
    if row["amount"] is not None:
        return abs(float(row["amount"]))
    _, found, record = (row.get("fault") or "").partition(RECORD)
    if not found:
        return mean
    try:
        values = json.loads("{" + record).values()
    except ValueError:
        return mean
    numbers = [number for value in values if (number := grouped_number(str(value))) is not None]
    return max(numbers) * abs(row.get("quantity") or 1.0) if numbers else mean


def grouped_number(text: str) -> float | None:
    """Size of a number with thousands separators; None for other text.

    >>> grouped_number("1.234,50 €"), grouped_number("1,234"), grouped_number("2024-03-01")
    (1234.5, 1234.0, None)
    """
    found = GROUPS.fullmatch(text.strip())
    if not found:
        return None
    return abs(float(f"{re.sub('[^0-9+-]', '', found[1])}.{found[2] or 0}"))
