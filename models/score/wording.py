"""Wording of reasons, so that a marketer can check them and read them without stumbling."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definitions import BY_NAME
from models.encoding import measure_of

_ONE = re.compile(r"(?<![\d.,])1 (day|favourite|item|second|session|time|categor)(ies|s)\b")

MOST = 0.55
"""Share of shoppers from which a comparison with them is reported."""

SAME = 0.95
"""Share of users with two equal windows from which the shorter one may stand in for the longer one."""

NEAR = 0.05
"""Relative difference up to which a user's shorter window may stand in for the longer one."""

WORDS: Mapping[str, tuple[str, str] | None] = {
    "days_since_last_order": ("longer ago", "more recently"),
    "gap_mean": None,
}
"""Words for more and less of a measure; None: only returning users have it, so the value itself is the reason."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "money": (
        "spend", "monetary_value", "units", "spend_per_purchase_day", "margin", "largest_day_spend", "largest_line",
    ),
    "frequency": ("frequency", "purchase_days", "gap_mean"),
    "recency": ("days_since_last_order",),
    "history": ("recency", "T", "tenure"),
    "trend": ("spend_trend", "purchase_days_trend", "views_trend"),
    "price": ("spend_per_unit", "price_level", "discount_rate", "viewed_price_level", "viewed_price_gap"),
    "variety": (
        "lines_per_purchase_day", "categories", "category_entropy", "top_category_share", "viewed_categories",
        "top_viewed_category_share",
    ),
    "returns": ("return_rate",),
    "calendar": ("weekend_share", "month_start_share"),
    "visits": (
        "visit_days", "views", "clicks", "searches", "dwell", "sessions", "days_since_last_visit",
        "searches_per_visit_day", "views_since_last_order",
    ),
    "carts": (
        "carts", "favourites", "carts_since_last_order", "carts_per_view", "orders_per_session", "orders_per_cart",
    ),
    "profile": ("age_band", "gender", "occupation", "region"),
}  # fmt: skip
"""Measures by the kind of thing that they tell about a user; a user's reasons are each of another kind."""

_KIND_OF = {measure: kind for kind, measures in KINDS.items() for measure in measures}

NEVER = {"monetary_value": "has bought on one day only"}
"""Phrases for a 0 that means something never happened."""


def stand_in(numbers: pd.DataFrame, name: str, phrases: Mapping[str, str]) -> str:
    """Column whose phrase is reported for this one; usually the column itself.

    A marketer cannot check a decayed sum, so the window that ranks users most like it is reported. With a short
    history, long windows equal shorter ones: the shortest equal window is reported, for users selected by
    `can_stand_in`. Only windows with a phrase can stand in.

    >>> numbers = pd.DataFrame({"spend_28d": [1.0, 5.0, 9.0], "spend_decayed_28d": [0.5, 2.0, 7.0]})
    >>> stand_in(numbers, "spend_decayed_28d", {"spend_28d": "spent {value:,.0f} in 28 days"})
    'spend_28d'
    """
    windows = [str(other) for other in numbers if measure_of(str(other)) == measure_of(name) and _days(str(other))]
    windows = [other for other in windows if phrases.get(other)]
    if _is_decayed(name) and windows:
        return str(numbers[windows].corrwith(numbers[name], method="spearman").fillna(0).idxmax())
    shorter = [other for other in windows if _days(other) < _days(name)]
    equal = [other for other in shorter if (numbers[other] == numbers[name]).mean() >= SAME]
    return min(equal, key=_days, default=name)


def can_stand_in(column: pd.Series, instead_of: pd.Series) -> NDArray[np.bool_]:
    """Mask of users with a column that may be reported in place of the other; shape (users,).

    For a decayed sum: every user with a known value. For a window: users with nearly equal values; the others
    would read another value than the one behind their score.

    >>> can_stand_in(pd.Series([5.0, 5.0], name="spend_28d"), pd.Series([5.1, 9.0], name="spend_91d")).tolist()
    [True, False]
    """
    if _is_decayed(str(instead_of.name)):
        return column.notna().to_numpy()
    return np.isclose(column.to_numpy(np.float64), instead_of.to_numpy(np.float64), rtol=NEAR, atol=0)


def longest_first(names: Iterable[str]) -> list[str]:
    """Sort decayed sums first, then windows from long to short, so that each precedes its possible stand-ins.

    >>> longest_first(["spend_28d", "spend_91d", "spend_decayed_28d"])
    ['spend_decayed_28d', 'spend_91d', 'spend_28d']
    """
    return sorted(names, key=lambda name: _days(name) or np.inf, reverse=True)


def say(phrase: str, measure: str, value: float, below: float, above: float) -> str:
    """Word a reason.

    Args:
        phrase: phrase with a place for the value.
        measure: see `measure_of`.
        value: the user's value.
        below: share (0 to 1) of shoppers with less.
        above: share (0 to 1) of shoppers with more.

    >>> say("spent {value:,.0f} in the last 28 days", "spend", 120.0, below=0.9, above=0.1)
    'spent 120 in the last 28 days, more than 90 % of shoppers'
    """
    if value == 0 and measure in NEVER:
        return NEVER[measure]
    words = WORDS.get(measure, ("more", "less"))
    return singular(phrase.format(value=value)) + (standing(below, above, words) if words else "")


def standing(below: float, above: float, words: tuple[str, str] = ("more", "less")) -> str:
    """Comparison of a value with other shoppers, from the shares of shoppers below and above it.

    >>> standing(0.5, 0.5)
    ', like the typical shopper'
    """
    word, share = (words[0], below) if below >= above else (words[1], above)
    if share < MOST:
        return ", like the typical shopper"
    return f", {word} than {min(int(100 * share), 99)} % of shoppers"


def kind_of(measure: str) -> str:
    """Kind of thing that a measure tells; a measure outside `KINDS` is a kind of its own.

    >>> kind_of("units"), kind_of("spend"), kind_of("own_measure")
    ('money', 'money', 'own_measure')
    """
    return _KIND_OF.get(measure, measure)


def singular(text: str) -> str:
    """Replace "1 days" by "1 day", and likewise items and categories.

    >>> singular("bought on 1 days, 21 days ago")
    'bought on 1 day, 21 days ago'
    """
    return _ONE.sub(lambda match: f"1 {match[1]}{'y' if match[1] == 'categor' else ''}", text)


def _days(name: str) -> int:
    """Length of a feature's window in days; 0 if it is not a plain window."""
    return BY_NAME[name].window_days or 0 if name in BY_NAME else 0


def _is_decayed(name: str) -> bool:
    return name in BY_NAME and BY_NAME[name].half_life_days is not None
