"""Mean spend of users with the same profile, shrunk towards coarser segments in proportion to its uncertainty.

Segments are nested: all users; users who share the value of the column that explains most of the spend; among these,
users who share the value of the next such column; and so on. Estimates are empirical Bayes means of a nested random
effects model, with variance components of unbalanced data from the analysis of variance (Searle, Casella and McCulloch,
Variance Components, 1992, chapter 3).
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

    A user with an unseen combination of values gets the finest segment that was seen in `fit`; without categories
    everyone gets the mean.

    Attributes:
        rows_per_user: mean snapshots per user in training. Overlapping snapshots of a user repeat information, so a
            segment counts as rows / rows_per_user users.
        columns: categories that define segments, most informative first, uninformative ones left out; learned.
        segments: segments at each depth, from 1; learned.
        estimates: spend and purchase probability of the segments at each depth, from 0 (all users); shape (segments,
            2).

    >>> region = ["north", "south"] * 50
    >>> spend = pd.Series([30.0, 31.0, 10.0, 9.0] * 25)[[0, 2, 1, 3] * 25].reset_index(drop=True)
    >>> training = LabelledUsers(pd.DataFrame({"region": region}), spend, spend > 0)
    >>> model, users = SegmentMean().fit(training), pd.DataFrame({"region": ["north", "mars"]})
    >>> model.predict(users)["expected_spend"].round(1).tolist()
    [30.5, 20.0]
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
        parent, estimates = np.zeros(len(targets), dtype=np.intp), np.tile(targets.mean(axis=0), (len(targets), 1))
        self.columns, self.segments, self.estimates = [], [], [estimates[:1]]
        while name := self._most_telling(features, targets[:, 0], parent):
            self.columns.append(name)
            profiles = _profiles(features, self.columns)
            child = profiles.factorize()[0]
            first = np.unique(child, return_index=True)[1]
            estimates = np.column_stack(
                [self._shrunk(targets[:, side], child, parent, estimates[:, side]) for side in (0, 1)]
            )
            self.segments.append(profiles[first])
            self.estimates.append(estimates[first])
            parent = child
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        estimates, _ = self.finest(features)
        return as_predictions(features, estimates[:, 0], estimates[:, 1])

    def finest(self, features: pd.DataFrame) -> tuple[Floats, NDArray[np.intp]]:
        """Estimates of each user's finest known segment, shape (users, 2), and its depth, shape (users,).

        Raises:
            ValueError: a column is missing.
        """
        chosen = select(features, self.columns)
        estimates, depth = np.repeat(self.estimates[0], len(chosen), axis=0), np.zeros(len(chosen), dtype=np.intp)
        for columns, segments in enumerate(self.segments, start=1):
            position = segments.get_indexer(_profiles(chosen, self.columns[:columns]))
            estimates[position >= 0] = self.estimates[columns][position[position >= 0]]
            depth[position >= 0] = columns
        return estimates, depth

    def _most_telling(self, features: pd.DataFrame, spend: Floats, parent: NDArray[np.intp]) -> str | None:
        """Category whose split of the current segments has the largest variance between them; None if none has any."""
        between = {}
        for name in known_categories(features, [name for name in features.columns if name not in self.columns]):
            child = _profiles(features, [*self.columns, name]).factorize()[0]
            between[name] = self._variances(spend, child, parent)[1]
        best = max(between, key=lambda name: between[name], default=None)
        return best if best is not None and between[best] > 0 else None

    def _shrunk(self, target: Floats, child: NDArray[np.intp], parent: NDArray[np.intp], coarser: Floats) -> Floats:
        """Mean of each row's segment and its coarser estimate, weighted by precision; shape (rows,)."""
        within, between = self._variances(target, child, parent)
        rows = np.bincount(child)
        noise = within * self.rows_per_user / rows
        weight = (between / (between + noise) if between > 0 else np.zeros(len(rows)))[child]
        return weight * (np.bincount(child, target) / rows)[child] + (1 - weight) * coarser

    def _variances(self, target: Floats, child: NDArray[np.intp], parent: NDArray[np.intp]) -> tuple[float, float]:
        """Variance within segments, and variance of segments' true means within their parents; 0 if unidentified."""
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
    """Values of the columns for each user."""
    return pd.MultiIndex.from_arrays([features[name].fillna(MISSING).astype(str) for name in columns], names=columns)
