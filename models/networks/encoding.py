"""Encoders from the feature table to a network's input arrays. Their parameters ship inside the model."""

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
"""Inputs of a network by name, users on the first axis: `numbers`, and `categories` and `steps` where present."""


SEEN = (0.01, 0.99)
"""Quantiles of the training values to which inputs are clipped. Between training and scoring the history grows and
seasons change; networks extrapolate wildly, and users with extreme predictions would top the ranking.
"""


@dataclass
class SequenceEncoder:
    """Encode each user's newest `length` actions as one array, oldest first, zero-padded at the front.

    Values are transformed by sign(x) · log(1 + |x|), which suits days, gaps and money, clipped to the quantiles `SEEN`,
    and standardised. The last channel is 1 at actions and 0 at padding.

    Attributes:
        length: actions per user.
        channels: sequence columns; learned.
        bounds, means, scales: per channel, over all actions; learned. The bounds have shape (2, channels).

    >>> features = pd.DataFrame({"sequence_spend": [[5.0], [1.0, 9.0, 2.0]]})
    >>> SequenceEncoder(length=2).fit(features).transform(features)[:, :, -1].tolist()
    [[0.0, 1.0], [1.0, 1.0]]
    """

    length: int
    channels: list[str] = field(default_factory=list)
    bounds: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    means: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    scales: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def fit(self, features: pd.DataFrame) -> Self:
        """Learn the channels and their scales.

        Raises:
            ValueError: no sequence columns.
        """
        self.channels = [name for name in features.columns if name.startswith(SEQUENCE)]
        if not self.channels:
            raise ValueError(
                f"Expected sequences (columns '{SEQUENCE}...'), found {len(features.columns)} features without any. "
                "Add the columns of features.sequences to the feature table, or choose a family that reads none."
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
    """Right-align the newest `length` values of each list; absent lists are empty, NaN becomes 0.

    Args:
        lists: one row per user and one column per channel; a user's lists have equal lengths.
        length: length of the arrays.

    Returns:
        The values, shape (users, length, channels), 0 at padding; and a mask of actions, shape (users, length).

    >>> values, present = padded(pd.DataFrame({"sequence_spend": [[1.0, 2.0, 3.0], None]}), length=2)
    >>> values[..., 0].tolist(), present.tolist()
    ([[2.0, 3.0], [0.0, 0.0]], [[True, True], [False, False]])
    """
    channels = [_as_arrow(lists[name]) for name in lists]
    counts = pc.fill_null(pc.list_value_length(channels[0]), 0).to_numpy(zero_copy_only=False)
    places = np.arange(length) - length
    present = places >= -counts[:, None]
    newest = (np.cumsum(counts)[:, None] + places)[present] if counts.max(initial=0) > length else slice(None)
    values = np.zeros((len(channels), *present.shape), np.float32)  # contiguous per channel
    for number, channel in enumerate(channels):
        chosen = channel.flatten().to_numpy(zero_copy_only=False)[newest]
        values[number][present] = np.where(np.isnan(chosen), np.float32(0), chosen)
    return np.moveaxis(values, 0, 2), present


def _as_arrow(lists: pd.Series) -> pa.ListArray:
    arrow = pa.array(lists, type=pa.list_(pa.float32()), from_pandas=True)
    return arrow.combine_chunks() if isinstance(arrow, pa.ChunkedArray) else arrow


@dataclass
class NetworkEncoder:
    """Encode all inputs of a network: standardised numbers, category codes for embeddings, padded sequences.

    Attributes:
        sequences: sequence encoder; None for a network that reads none.
        numbers: encoder of the numbers; learned.
        categories: known values of each category; code 0 is a value unseen in `fit`.
        bounds: quantiles `SEEN` of the standardised numbers, shape (2, numbers); learned.

    >>> features = pd.DataFrame({"spend_28d": [1.0, 2.0], "region": ["south", "north"]})
    >>> encoder = NetworkEncoder().fit(features)
    >>> encoder.transform(features.assign(region="mars"))["categories"].tolist()
    [[0], [0]]
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
        """Encode `numbers` (users, numbers), `categories` (users, categories) and `steps` (users, length, channels)."""
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
