"""Policies for gaps and outliers, declared by column. What they learn on the training window ships with the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.feature import SEQUENCE
from features.schema import MISSING
from models.encoding import select

Missing = Literal["keep", "median", "mean", "category", "drop"]
Detection = Literal["fences", "zscore", "quantiles"]

INDICATOR = "_is_missing"
"""How the column is named that says where a number isn't known."""

FENCE = 1.5
"""Interquartile ranges from the quartiles to the fences of a box plot (Tukey, Exploratory Data Analysis, 1977)."""

DEVIATIONS = 3.0
"""Standard deviations from the mean that a z-score may have."""

TAIL = 0.01
"""Share of the values beyond each of the two quantiles."""

Value = TypeVar("Value")


@dataclass
class Preprocessing:
    """Applied to the features before a model sees them; lists of actions stay as they are.

    A policy is declared for a column or a pattern, such as "spend_*": a name goes before patterns, and a longer pattern
    before a shorter one. Outliers are held at their limits before gaps are filled.

    Attributes:
        missing: keep (the default: the families take gaps as they are), median or mean (of the known values), category
            (of text a category of its own, of a number a column beside it that says so), drop (the column is left
            out). Of text, median and mean mean category.
        outliers: how they are found: fences (the default), zscore, quantiles.
        winsorise: columns or patterns whose outliers are held at the limits of the training window.
        dropped, indicated, fills, limits: learned.
    """

    missing: Mapping[str, Missing] = field(default_factory=dict)
    outliers: Mapping[str, Detection] = field(default_factory=dict)
    winsorise: Sequence[str] = ()
    dropped: list[str] = field(default_factory=list, init=False)
    indicated: list[str] = field(default_factory=list, init=False)
    fills: dict[str, float | str] = field(default_factory=dict, init=False)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn from the features of a training window.

        Raises:
            ValueError: a policy fits no column, or every column is dropped.
        """
        columns = _plain(features)
        self._check(columns)
        of = {name: self._missing(name) for name in columns}
        numbers = [name for name in columns if pd.api.types.is_numeric_dtype(features[name])]
        self.dropped = [name for name in columns if self.drops(name)]
        if columns and self.dropped == columns:
            raise ValueError("preprocessing.missing drops every feature: name fewer columns.")
        self.indicated = [name for name in numbers if of[name] == "category"]
        self.limits = {
            name: found
            for name in numbers
            if of[name] != "drop"
            and _first(name, dict.fromkeys(self.winsorise, True), default=False)
            and (found := limits(features[name], self._detection(name))) is not None
        }
        self.fills = {}
        for name in columns:
            if of[name] in ("keep", "drop") or name in self.indicated:
                continue
            self.fills[name] = self._middle(name, features[name], of[name]) if name in numbers else MISSING
        return self

    def transform(self, features: pd.DataFrame) -> pd.DataFrame:
        """Apply what was learned; same index. The features themselves where every policy is to keep them.

        Raises:
            ValueError: a feature is missing.
        """
        if not (self.dropped or self.indicated or self.fills or self.limits):
            return features
        prepared = select(features, [name for name in features.columns if name not in self.dropped])
        select(prepared, [*self.indicated, *self.fills, *self.limits])
        missing = {f"{name}{INDICATOR}": features[name].isna().astype(np.float64) for name in self.indicated}
        for name, (low, high) in self.limits.items():
            prepared[name] = prepared[name].astype(np.float64).clip(low, high)
        for name, fill in self.fills.items():
            prepared[name] = prepared[name].fillna(fill)
        return prepared.assign(**missing)

    def report(self, features: pd.DataFrame) -> pd.DataFrame:
        """What is missing and what is far out in each column, also where it is kept.

        Returns:
            column, missing (its policy), missing_share, detection, low, high (limits of these features), outside_share
            (of the known values) and outliers ("keep" or "winsorise"). Limits are NaN, and nothing is outside, where
            values are text or hardly differ; see `limits`.
        """
        held, rows = dict.fromkeys(self.winsorise, "winsorise"), []
        for name in _plain(features):
            values = features[name]
            row: dict[str, object] = {"column": name, "missing": self._missing(name)}
            detection = self._detection(name) if pd.api.types.is_numeric_dtype(values) else None
            low, high = (limits(values, detection) if detection else None) or (np.nan, np.nan)
            known = values.dropna()
            outside = float(((known < low) | (known > high)).mean()) if detection and len(known) else 0.0
            row |= {"missing_share": float(values.isna().mean()) if len(values) else 0.0, "detection": detection}
            row |= {"low": low, "high": high, "outside_share": outside}
            rows.append(row | {"outliers": _first(name, held, default="keep")})
        return pd.DataFrame(rows)

    def drops(self, name: str) -> bool:
        """Whether a column is left out; known before anything is learned."""
        return self._missing(name) == "drop"

    def _missing(self, name: str) -> Missing:
        default: Missing = "keep"
        return _first(name, self.missing, default=default)

    def _detection(self, name: str) -> Detection:
        default: Detection = "fences"
        return _first(name, self.outliers, default=default)

    def _middle(self, name: str, values: pd.Series, policy: Missing) -> float:
        """The median or mean of the known values; 0 where none is known."""
        known = values.dropna().astype(np.float64)
        if name in self.limits:
            known = known.clip(*self.limits[name])
        if known.empty:
            return 0.0
        return float(known.median() if policy == "median" else known.mean())

    def _check(self, columns: Sequence[str]) -> None:
        for key, named in (("missing", self.missing), ("outliers", self.outliers), ("winsorise", self.winsorise)):
            for pattern in named:
                if columns and not any(fnmatchcase(name, pattern) for name in columns):
                    raise ValueError(
                        f"preprocessing.{key} names '{pattern}', which fits none of the {len(columns)} features of "
                        f"this source, such as {', '.join(columns[:3])}. Correct the name or take it out."
                    )


def limits(values: pd.Series, detection: Detection) -> tuple[float, float] | None:
    """Beyond which numbers a value counts as an outlier.

    None where the measure of spread is 0 or nothing is known: of a column that is 0 for three users in four, the fences
    would call every other value an outlier.
    """
    known: NDArray[np.float64] = values.to_numpy(dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    if detection == "zscore":
        middle, reach = known.mean(), DEVIATIONS * known.std()
        low, high, spread = middle - reach, middle + reach, reach
    elif detection == "fences":
        first, third = np.quantile(known, [0.25, 0.75])
        spread = third - first
        low, high = first - FENCE * spread, third + FENCE * spread
    else:
        low, high = np.quantile(known, [TAIL, 1 - TAIL])
        spread = high - low
    return (float(low), float(high)) if spread > 0 else None


def _plain(features: pd.DataFrame) -> list[str]:
    return [name for name in features.columns if not name.startswith(SEQUENCE)]


def _first(name: str, policies: Mapping[str, Value], *, default: Value) -> Value:
    """The policy that is declared for the column, else for the longest pattern that fits it."""
    if name in policies:
        return policies[name]
    fitting = [pattern for pattern in policies if fnmatchcase(name, pattern)]
    return policies[max(fitting, key=len)] if fitting else default
