"""How a reason is worded, so that a marketer can check it and doesn't stumble over it."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definitions import BY_NAME
from models.encoding import measure_of

_ONE = re.compile(r"(?<![\d.,])1 (day|favourite|item|second|session|time|categor)(ies|s)\b")

MOST = 0.55
"""Share of shoppers from which a comparison with them is worth telling."""

SAME = 0.95
"""Share of users of whom two windows have to hold the same for one to be told in place of the other."""

NEAR = 0.05
"""Share of the longer window's value by which a user's shorter one may differ from it to be told instead."""

WORDS: Mapping[str, tuple[str, str] | None] = {
    "days_since_last_order": ("longer ago", "more recently"),
    "gap_mean": None,
}
"""How more and less are said of a measure; None: only users who came back have it, which is the reason in itself."""

NEVER = {"monetary_value": "has bought on one day only"}
"""What is said of a 0 that stands for something that never happened."""


def told_instead(numbers: pd.DataFrame, name: str, phrases: Mapping[str, str]) -> str:
    """The column that a marketer is told of in place of this one; as a rule it is this one.

    Nobody can check a decayed sum: the window that orders users most like it is told. Where the history is short, long
    windows hold the same: the shortest of them is told, of the users whom `tells_of` says. Only windows with a phrase
    can be told.
    """
    windows = [str(other) for other in numbers if measure_of(str(other)) == measure_of(name) and _days(str(other))]
    windows = [other for other in windows if phrases.get(other)]
    if _is_decayed(name) and windows:
        return str(numbers[windows].corrwith(numbers[name], method="spearman").fillna(0).idxmax())
    shorter = [other for other in windows if _days(other) < _days(name)]
    same = [other for other in shorter if (numbers[other] == numbers[name]).mean() >= SAME]
    return min(same, key=_days, default=name)


def tells_of(told: pd.Series, instead_of: pd.Series) -> NDArray[np.bool_]:
    """Of which users one column may be told in place of the other: of a window's, those of whom both hold the same.

    All others would hear of another value than the one that made their score. Of a decayed sum: all.
    """
    if _is_decayed(str(instead_of.name)):
        return told.notna().to_numpy()
    return np.isclose(told.to_numpy(np.float64), instead_of.to_numpy(np.float64), rtol=NEAR, atol=0)


def longest_first(names: Iterable[str]) -> list[str]:
    """Decayed sums, then windows from long to short: each comes before those that can be told in its place."""
    return sorted(names, key=lambda name: _days(name) or np.inf, reverse=True)


def say(phrase: str, measure: str, value: float, below: float, above: float) -> str:
    """The reason in words.

    Args:
        phrase: with a place for the value.
        measure: see `measure_of`.
        value: the user's.
        below: share (0 to 1) of shoppers who have less.
        above: share of those who have more.
    """
    if value == 0 and measure in NEVER:
        return NEVER[measure]
    words = WORDS.get(measure, ("more", "less"))
    return singular(phrase.format(value=value)) + (standing(below, above, words) if words else "")


def standing(below: float, above: float, words: tuple[str, str] = ("more", "less")) -> str:
    """How a value compares, from the shares of shoppers below and above it."""
    word, share = (words[0], below) if below >= above else (words[1], above)
    if share < MOST:
        return ", like the typical shopper"
    return f", {word} than {min(int(100 * share), 99)} % of shoppers"


def singular(text: str) -> str:
    """The text with "1 days" as "1 day"."""
    return _ONE.sub(lambda found: f"1 {found[1]}{'y' if found[1] == 'categor' else ''}", text)


def _days(name: str) -> int:
    """Length of a feature's window in days; 0 without a window."""
    return BY_NAME[name].window_days or 0 if name in BY_NAME else 0


def _is_decayed(name: str) -> bool:
    return name in BY_NAME and BY_NAME[name].half_life_days is not None
