"""Encoders from the feature table to the numbers that models learn from. Their parameters ship inside the model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.definitions import BY_NAME
from features.feature import SEQUENCE


@dataclass
class TreeEncoder:
    """Encode features for trees: numbers unchanged (NaN included), categories as codes.

    Attributes:
        columns: encoded columns, in order; learned.
        categories: known values of each category, sorted; learned. A value unseen in `fit` becomes NaN.

    >>> features = pd.DataFrame({"spend_28d": [3.0, np.nan], "region": ["south", "north"]})
    >>> encoder = TreeEncoder().fit(features)
    >>> encoder.transform(features).tolist()
    [[3.0, 1.0], [nan, 0.0]]
    >>> encoder.transform(features[["region"]])
    Traceback (most recent call last):
    ValueError: Expected the 2 features that the model was trained on; 1 are missing, first 'spend_28d'. ...
    """

    columns: list[str] = field(default_factory=list)
    categories: dict[str, list[str]] = field(default_factory=dict)

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn columns and categories."""
        self.columns = [
            name for name in features.columns if not (grows_with_history(name) or name.startswith(SEQUENCE))
        ]
        self.categories = known_categories(features, self.columns)
        return self

    def transform(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Encode; shape (users, columns).

        Raises:
            ValueError: a learned column is missing.
        """
        chosen = select(features, self.columns)
        for name, known in self.categories.items():
            chosen[name] = chosen[name].map({value: code for code, value in enumerate(known)}).astype(np.float64)
        return chosen.to_numpy(dtype=np.float64)


@dataclass
class DenseEncoder:
    """Encode features for linear models and networks: numbers standardised, categories one-hot, no NaN.

    A missing number becomes the training mean; an unseen category becomes all zeros.

    Attributes:
        only: columns to use, absent ones left out; those of `TreeEncoder` if None.
        log_scale: transform numbers by sign(x) · log(1 + |x|) first and clip the result at `LIMIT` standard deviations,
            so that no user lies further out than a model can be trusted.
        numbers, categories, means, scales: learned; a column with a deviation below `CONSTANT` is not scaled.

    >>> features = pd.DataFrame({"spend_28d": [1.0, 3.0], "region": ["south", "north"]})
    >>> DenseEncoder(log_scale=False).fit(features).transform(features).tolist()
    [[-1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """

    only: Sequence[str] | None = None
    log_scale: bool = True
    numbers: list[str] = field(default_factory=list)
    categories: dict[str, list[str]] = field(default_factory=dict)
    means: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    scales: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    LIMIT: ClassVar[float] = 5.0
    CONSTANT: ClassVar[float] = 1e-9

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn means, scales and categories.

        Raises:
            ValueError: none of the columns in `only` is present, or no column at all.
        """
        columns = TreeEncoder().fit(features).columns
        if self.only is not None:
            columns = [name for name in self.only if name in features]
        if not columns:
            expected, found = ", ".join(self.only or ["any"]), ", ".join(features.columns) or "none"
            raise ValueError(f"Expected at least one of the features {expected}; found {found}.")
        self.categories = known_categories(features, columns)
        self.numbers = [name for name in columns if name not in self.categories]
        values = np.ma.masked_invalid(self._values(features))
        self.means = np.ma.filled(values.mean(axis=0), 0.0).astype(np.float64)
        deviations = np.ma.filled(values.std(axis=0), 0.0).astype(np.float64)
        self.scales = np.where(deviations > self.CONSTANT, deviations, 1.0)
        return self

    def transform(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Encode; shape (users, numbers + known categories).

        Raises:
            ValueError: a learned column is missing.
        """
        chosen = select(features, [*self.numbers, *self.categories])
        scaled = np.nan_to_num((self._values(chosen) - self.means) / self.scales, nan=0.0)
        blocks = [np.clip(scaled, -self.LIMIT, self.LIMIT) if self.log_scale else scaled]
        for name, known in self.categories.items():
            blocks.append(chosen[name].to_numpy(dtype=object)[:, None] == np.array(known, dtype=object)[None, :])
        return np.hstack(blocks).astype(np.float64)

    def _values(self, features: pd.DataFrame) -> NDArray[np.float64]:
        numbers = features[self.numbers].to_numpy(dtype=np.float64)
        return np.sign(numbers) * np.log1p(np.abs(numbers)) if self.log_scale else numbers


def known_categories(features: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[str]]:
    """List the sorted known values of each column that is not numeric.

    >>> known_categories(pd.DataFrame({"region": ["south", None, "north"], "T": [1, 2, 3]}), ["region", "T"])
    {'region': ['north', 'south']}
    """
    names = [name for name in columns if not pd.api.types.is_numeric_dtype(features[name])]
    return {name: sorted(features[name].dropna().unique()) for name in names}


def select(features: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Copy the given columns.

    Raises:
        ValueError: columns are missing.

    >>> select(pd.DataFrame({"T": [1], "frequency": [2]}), ["frequency"])
       frequency
    0          2
    """
    missing = [name for name in columns if name not in features]
    if missing:
        raise ValueError(
            f"Expected the {len(columns)} features that the model was trained on; {len(missing)} are missing, first "
            f"'{missing[0]}'. Build the features with the definitions that the model was trained with, or retrain."
        )
    return features[list(columns)].copy()


def grows_with_history(name: str) -> bool:
    """Whether a feature grows with the recorded history, as tenure and totals do.

    >>> grows_with_history("spend_total"), grows_with_history("spend_28d")
    (True, False)
    """
    return name in BY_NAME and BY_NAME[name].grows_with_history


def measure_of(name: str) -> str:
    """Measure of a feature: "spend" for `spend_28d`, `spend_decayed_28d` and `spend_total`.

    The name itself for a column that is no declared feature.

    >>> measure_of("spend_decayed_28d")
    'spend'
    """
    return BY_NAME[name].measure if name in BY_NAME else name
