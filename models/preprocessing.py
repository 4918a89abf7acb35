"""Policies for missing values and outliers, declared per column. Learned limits ship with the model."""

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
"""Suffix of the column that marks where a number is missing."""

FENCE = 1.5
"""Interquartile ranges from the quartiles to the fences of a box plot (Tukey, Exploratory Data Analysis, 1977)."""

DEVIATIONS = 3.0
"""Largest absolute z-score that is not an outlier."""

TAIL = 0.01
"""Share of values outside each of the two quantiles."""

Value = TypeVar("Value")


@dataclass
class Preprocessing:
    """Transform features before a model sees them; sequence columns are left unchanged.

    A policy names a column or a pattern such as "spend_*". An exact name takes precedence over patterns, and a longer
    pattern over a shorter one. Outliers are clipped before missing values are filled.

    Attributes:
        missing: policy for missing values: "keep" (the default: the families handle them), "median" or "mean" (of the
            known values; for text the same as "category"), "category" (for text a category of its own, for a number an
            indicator column beside it), "drop" (remove the column).
        outliers: detection of outliers: "fences" (the default), "zscore" or "quantiles".
        winsorise: columns or patterns whose outliers are clipped to the limits of the training window.
        dropped, indicated, fills, limits: learned.

    >>> training = pd.DataFrame({"spend_28d": [1.0, 2.0, 3.0, np.nan]})
    >>> policies = Preprocessing(missing={"spend_*": "median"}).fit(training)
    >>> policies.transform(training)["spend_28d"].tolist()
    [1.0, 2.0, 3.0, 2.0]
    >>> Preprocessing(missing={"spent_*": "median"}).fit(training)
    Traceback (most recent call last):
    ValueError: preprocessing.missing names 'spent_*', which matches none of the 1 features of this source, ...
    """

    missing: Mapping[str, Missing] = field(default_factory=dict)
    outliers: Mapping[str, Detection] = field(default_factory=dict)
    winsorise: Sequence[str] = ()
    dropped: list[str] = field(default_factory=list, init=False)
    indicated: list[str] = field(default_factory=list, init=False)
    fills: dict[str, float | str] = field(default_factory=dict, init=False)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn fills and limits from the features of a training window.

        Raises:
            ValueError: a policy matches no column, or every column is dropped.
        """
        columns = _plain(features)
        self._check(columns)
        policies = {name: self._missing(name) for name in columns}
        numbers = [name for name in columns if pd.api.types.is_numeric_dtype(features[name])]
        self.dropped = [name for name in columns if self.drops(name)]
        if columns and self.dropped == columns:
            raise ValueError(f"preprocessing.missing drops all {len(columns)} features: name fewer columns.")
        self.indicated = [name for name in numbers if policies[name] == "category"]
        self.limits = {
            name: bounds
            for name in numbers
            if policies[name] != "drop"
            and _first(name, dict.fromkeys(self.winsorise, True), default=False)
            and (bounds := limits(features[name], self._detection(name))) is not None
        }
        self.fills = {}
        for name in columns:
            if policies[name] in ("keep", "drop") or name in self.indicated:
                continue
            self.fills[name] = self._middle(name, features[name], policies[name]) if name in numbers else MISSING
        return self

    def transform(self, features: pd.DataFrame) -> pd.DataFrame:
        """Apply the learned policies; same index. Return `features` itself if every policy is "keep".

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
        """Report missing values and outliers per column, also where the policy keeps them.

        Returns:
            column, missing (policy), missing_share, detection, low, high (limits of these features), outside_share (of
            the known values) and outliers ("keep" or "winsorise"). Limits are NaN and outside_share is 0 for text and
            for columns without spread; see `limits`.
        """
        treatments, rows = dict.fromkeys(self.winsorise, "winsorise"), []
        for name in _plain(features):
            values = features[name]
            row: dict[str, object] = {"column": name, "missing": self._missing(name)}
            detection = self._detection(name) if pd.api.types.is_numeric_dtype(values) else None
            low, high = (limits(values, detection) if detection else None) or (np.nan, np.nan)
            known = values.dropna()
            outside = float(((known < low) | (known > high)).mean()) if detection and len(known) else 0.0
            row |= {"missing_share": float(values.isna().mean()) if len(values) else 0.0, "detection": detection}
            row |= {"low": low, "high": high, "outside_share": outside}
            rows.append(row | {"outliers": _first(name, treatments, default="keep")})
        return pd.DataFrame(rows)

    def drops(self, name: str) -> bool:
        """Say whether the policies drop a column; valid before `fit`."""
        return self._missing(name) == "drop"

    def _missing(self, name: str) -> Missing:
        default: Missing = "keep"
        return _first(name, self.missing, default=default)

    def _detection(self, name: str) -> Detection:
        default: Detection = "fences"
        return _first(name, self.outliers, default=default)

    def _middle(self, name: str, values: pd.Series, policy: Missing) -> float:
        """Median or mean of the known values; 0 where none is known."""
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
                        f"preprocessing.{key} names '{pattern}', which matches none of the {len(columns)} features of "
                        f"this source, such as {', '.join(columns[:3])}. Correct or remove the name."
                    )


def limits(values: pd.Series, detection: Detection) -> tuple[float, float] | None:
    """Range outside which a number counts as an outlier, or None if the spread is 0 or no value is known.

    Without the None, a column that is 0 for three users in four would have every other value outside its fences.

    >>> limits(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]), "fences")
    (-1.0, 7.0)
    >>> limits(pd.Series([0.0, 0.0, 0.0, 0.0, 9.0]), "fences")
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
    """Policy declared for the column, else for the longest matching pattern, else the default."""
    if name in policies:
        return policies[name]
    fitting = [pattern for pattern in policies if fnmatchcase(name, pattern)]
    return policies[max(fitting, key=len)] if fitting else default
