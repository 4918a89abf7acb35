"""From the feature table to the arrays that a network reads; what is learned here ships inside the model."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.feature import SEQUENCE
from models.encoding import DenseEncoder, TreeEncoder, known_categories, select

Floats = NDArray[np.float32]

Arrays = dict[str, NDArray[Any]]
"""Inputs of a network by name, each with the users first: `numbers`, and `categories` and `steps` where there are."""


SEEN = (0.01, 0.99)
"""Quantiles of the training values within which inputs are held. Between the snapshots of training and of scoring a
history grows and seasons change; networks answer wildly where they saw nothing, and such users head the ranking."""


@dataclass
class SequenceEncoder:
    """The newest `length` actions of each user as one array, older actions first, zeros before the first.

    Values become sign(x) · log(1 + |x|), held within the quantiles `SEEN`, centred and scaled; the logarithm makes of
    days, gaps and money what a network can read. The last channel says where there is an action (1) and where there is
    none (0).

    Attributes:
        length: actions read per user.
        channels: the columns that are read; learned.
        bounds, means, scales: of the channels, over all actions; learned. The bounds have shape (2, channels).
    """

    length: int
    channels: list[str] = field(default_factory=list)
    bounds: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    means: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    scales: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn the channels and their scales.

        Raises:
            ValueError: the frame has no sequences.
        """
        self.channels = [name for name in features.columns if name.startswith(SEQUENCE)]
        if not self.channels:
            raise ValueError(
                f"Expected sequences (columns '{SEQUENCE}...'), found {len(features.columns)} features without one. "
                "Add those of features.sequences to the feature table, or choose a family that reads none."
            )
        values, present = self._values(features)
        seen = values[present] if present.any() else np.zeros((1, len(self.channels)), np.float32)
        self.bounds = np.quantile(seen, SEEN, axis=0).astype(np.float32)
        self.means, deviations = seen.mean(axis=0), seen.std(axis=0)
        self.scales = np.where(deviations > DenseEncoder.CONSTANT, deviations, 1.0).astype(np.float32)
        return self

    def transform(self, features: pd.DataFrame) -> Floats:
        """Encode; shape (users, length, channels + 1)."""
        values, present = self._values(features)
        scaled = (np.clip(values, *self.bounds) - self.means) / self.scales * present[..., None]
        return np.concatenate([scaled, present[..., None]], axis=2, dtype=np.float32)

    def _values(self, features: pd.DataFrame) -> tuple[Floats, NDArray[np.bool_]]:
        values, present = padded(select(features, self.channels), self.length)
        return np.sign(values) * np.log1p(np.abs(values)), present


def padded(lists: pd.DataFrame, length: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The newest `length` values of each list, right-aligned; no list and NaN are nothing and 0.

    Args:
        lists: one row per user and one column per channel; the lists of a user are equally long.
        length: of the arrays.

    Returns:
        the values, shape (users, length, channels), 0 where there is none; and where there is one, (users, length).
    """
    channels = [_as_arrow(lists[name]) for name in lists]
    counts = pc.fill_null(pc.list_value_length(channels[0]), 0).to_numpy(zero_copy_only=False)
    places = np.arange(length) - length
    present = places >= -counts[:, None]
    kept = (np.cumsum(counts)[:, None] + places)[present] if counts.max(initial=0) > length else slice(None)
    values = np.zeros((len(channels), *present.shape), np.float32)  # filled channel by channel, without strides
    for number, channel in enumerate(channels):
        chosen = channel.flatten().to_numpy(zero_copy_only=False)[kept]
        values[number][present] = np.where(np.isnan(chosen), np.float32(0), chosen)
    return np.moveaxis(values, 0, 2), present


def _as_arrow(lists: pd.Series) -> pa.ListArray:
    arrow = pa.array(lists, type=pa.list_(pa.float32()), from_pandas=True)
    return arrow.combine_chunks() if isinstance(arrow, pa.ChunkedArray) else arrow


@dataclass
class NetworkEncoder:
    """All inputs of a network: scaled numbers, codes of categories for embeddings, and padded sequences.

    Attributes:
        sequences: how actions are read; None for a network that reads none.
        numbers: columns and scales of the numbers; learned.
        categories: known values of each category; code 0 is a value that was not seen in `fit`.
        bounds: the quantiles `SEEN` of the scaled numbers, shape (2, numbers); learned.
    """

    sequences: SequenceEncoder | None = None
    numbers: DenseEncoder = field(default_factory=DenseEncoder)
    categories: dict[str, list[str]] = field(default_factory=dict)
    bounds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn scales, categories and channels."""
        columns = TreeEncoder().fit(features).columns
        self.categories = known_categories(features, columns)
        self.numbers = DenseEncoder(only=[name for name in columns if name not in self.categories]).fit(features)
        self.bounds = np.quantile(self.numbers.transform(features), SEEN, axis=0)
        if self.sequences:
            self.sequences.fit(features)
        return self

    def transform(self, features: pd.DataFrame) -> Arrays:
        """Encode; `numbers` (users, numbers), `categories` (users, categories), `steps` (users, length, channels)."""
        numbers = np.clip(self.numbers.transform(features), *self.bounds)
        arrays: Arrays = {"numbers": numbers.astype(np.float32)}
        if self.categories:
            chosen = select(features, list(self.categories))
            codes = [
                chosen[name].map({value: code for code, value in enumerate(known, start=1)}).fillna(0)
                for name, known in self.categories.items()
            ]
            arrays["categories"] = np.column_stack(codes).astype(np.int32)
        if self.sequences:
            arrays["steps"] = self.sequences.transform(features)
        return arrays
