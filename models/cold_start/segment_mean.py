"""Mean spend of users with the same profile, shrunk towards coarser segments as far as few users make a mean uncertain.

Segments are nested: everyone; users with the same value of the column that tells most about spend; of these, users with
the same value of the column that then tells most; and so on. The estimates are empirical Bayes means of a nested model
of random effects, with the variance components of unbalanced data from the analysis of variance (Searle, Casella and
McCulloch, Variance Components, 1992, chapter 3).
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from features.schema import MISSING
from models.encoding import known_categories, select
from models.measures.gini import Floats, floats
from models.protocol import LabelledUsers, SpendModel
from models.targets import as_predictions, require_users


@dataclass
class SegmentMean(SpendModel):
    """Expected spend and purchase probability of a user's segment.

    A user whose values were not seen together in `fit` gets the finest segment that was; without categories everyone
    gets the mean.

    Attributes:
        rows_per_user: of the training; a user at several overlapping snapshots says the same several times, so that a
            segment counts as rows / rows_per_user users.
        columns: the categories that make segments, the most telling first, without those that tell nothing; learned.
        segments: the segments of each depth from 0 (everyone) on; learned.
        estimates: spend and purchase probability of each of them; shape (segments, 2).
    """

    rows_per_user: float = 1.0
    columns: list[str] = field(default_factory=list, init=False)
    segments: list[pd.MultiIndex] = field(default_factory=list, init=False)
    estimates: list[Floats] = field(default_factory=list, init=False)

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        require_users(training)
        features = training.features
        targets = np.column_stack([floats(training.future_spend), floats(training.purchased)])
        parent, said = np.zeros(len(targets), dtype=np.intp), np.tile(targets.mean(axis=0), (len(targets), 1))
        self.columns, self.segments, self.estimates = [], [], [said[:1]]
        while name := self._most_telling(features, targets[:, 0], parent):
            self.columns.append(name)
            profiles = _profiles(features, self.columns)
            child = profiles.factorize()[0]
            first = np.unique(child, return_index=True)[1]
            said = np.column_stack([self._shrunk(targets[:, side], child, parent, said[:, side]) for side in (0, 1)])
            self.segments.append(profiles[first])
            self.estimates.append(said[first])
            parent = child
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        said, _ = self.finest(features)
        return as_predictions(features, said[:, 0], said[:, 1])

    def finest(self, features: pd.DataFrame) -> tuple[Floats, NDArray[np.intp]]:
        """Each user's estimates, shape (users, 2), and how many of `columns` their segment is made of.

        Raises:
            ValueError: a column is missing.
        """
        chosen = select(features, self.columns)
        said, depth = np.repeat(self.estimates[0], len(chosen), axis=0), np.zeros(len(chosen), dtype=np.intp)
        for columns, segments in enumerate(self.segments, start=1):
            found = segments.get_indexer(_profiles(chosen, self.columns[:columns]))
            said[found >= 0] = self.estimates[columns][found[found >= 0]]
            depth[found >= 0] = columns
        return said, depth

    def _most_telling(self, features: pd.DataFrame, spend: Floats, parent: NDArray[np.intp]) -> str | None:
        """The category that divides the segments so far into those that differ most; None if none does."""
        between = {}
        for name in known_categories(features, [name for name in features.columns if name not in self.columns]):
            child = _profiles(features, [*self.columns, name]).factorize()[0]
            between[name] = self._variances(spend, child, parent)[1]
        best = max(between, key=lambda name: between[name], default=None)
        return best if best is not None and between[best] > 0 else None

    def _shrunk(self, target: Floats, child: NDArray[np.intp], parent: NDArray[np.intp], coarser: Floats) -> Floats:
        """Each row's estimate: the mean of its segment and the coarser estimate, weighted by precision."""
        within, between = self._variances(target, child, parent)
        rows = np.bincount(child)
        noise = within * self.rows_per_user / rows
        weight = (between / (between + noise) if between > 0 else np.zeros(len(rows)))[child]
        return weight * (np.bincount(child, target) / rows)[child] + (1 - weight) * coarser

    def _variances(self, target: Floats, child: NDArray[np.intp], parent: NDArray[np.intp]) -> tuple[float, float]:
        """Variance of rows within segments and of the segments' true means within their parents; 0 if unidentified."""
        users, users_above = (np.bincount(code) / self.rows_per_user for code in (child, parent))
        mean, mean_above = (np.bincount(code, target) / np.bincount(code) for code in (child, parent))
        parent_of = parent[np.unique(child, return_index=True)[1]]
        freedom_within, freedom_between = len(target) - len(users), len(users) - len(users_above)
        if freedom_within == 0 or freedom_between == 0:
            return 0.0, 0.0
        within = float(((target - mean[child]) ** 2).sum()) / freedom_within
        squares = float(users @ (mean - mean_above[parent_of]) ** 2) / freedom_between
        size = float(users.sum() - (users**2 / users_above[parent_of]).sum()) / freedom_between
        return within, max((squares - within) / size, 0.0)


def _profiles(features: pd.DataFrame, columns: list[str]) -> pd.MultiIndex:
    """Each user's values of the columns."""
    return pd.MultiIndex.from_arrays([features[name].fillna(MISSING).astype(str) for name in columns], names=columns)
