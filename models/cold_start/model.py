"""Spend of users without orders, from profile and behaviour alone: the segment mean, or a learner that beats it.

Money is in multiples of the mean customer's spend in the same window. Season and trend, which move both, cancel out,
and the customers' forecast level applies to users without orders too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from features.schema import MISSING
from models.cold_start.segment_mean import SegmentMean
from models.encoding import select
from models.protocol import SpendModel
from models.score.intervals import Intervals
from models.score.reasons import Reasons
from models.targets import as_predictions

LearnedFrom = Literal["without_orders", "newcomers", "customers"]
"""Users behind the learned spend, in order of preference: users who were known and had not bought; if too few,
customers with a first purchase shortly before the snapshot; if too few, all customers.
"""

CONFIDENCE = 0.9
"""Share of bootstrap samples in which a learner has to rank users better than the segment mean."""


@dataclass(frozen=True)
class Choice:
    """Comparison of the learner with the segment mean on the validation snapshot.

    Attributes:
        gain, standard_error, better_share: difference in nGini, see `models.measures.gini.paired_bootstrap`.
        squared_error: ratio of squared errors, learner to segment mean, both scaled to the true level.

    >>> Choice(gain=0.05, standard_error=0.01, better_share=0.99, squared_error=0.97).is_learner
    True
    """

    gain: float
    standard_error: float
    better_share: float
    squared_error: float

    @property
    def is_learner(self) -> bool:
        """Say whether the learner replaces the segment mean: it surely ranks better, with no larger error."""
        return self.gain > 0 and self.better_share >= CONFIDENCE and self.squared_error <= 1


@dataclass(frozen=True)
class ColdStart:
    """Score users without orders; picklable and complete.

    Attributes:
        segments: the segment mean.
        learner: model that beat it out of time; None: the segment mean is the model.
        choice: the comparison; None without validation, or with nothing but the mean to learn.
        spend_factor, probability_factor: corrections of the level, see `models.cold_start.learning`.
        intervals: intervals of spend.
        learned_from: users behind the learned spend.
        reasons: reasons from the learner's numeric features.
        phrases: one phrase per feature, see `models.score.reasons`.
    """

    segments: SegmentMean
    learner: SpendModel | None
    choice: Choice | None
    spend_factor: float
    probability_factor: float
    intervals: Intervals
    learned_from: LearnedFrom
    reasons: Reasons | None
    phrases: Mapping[str, str]

    def predict(self, attributes: pd.DataFrame, windows: float = 1.0) -> pd.DataFrame:
        """Predict spend and its 80 % interval in multiples of the mean customer's, and the purchase probability.

        Args:
            attributes: profile and behaviour features; other columns are ignored.
            windows: equivalent number of label windows in the horizon, for which the intervals were learned.

        Returns:
            expected_spend, spend_low, spend_high, purchase_probability; same index.

        Raises:
            ValueError: a feature is missing.
        """
        predictions = (self.learner or self.segments).predict(attributes)
        spend = predictions["expected_spend"] * self.spend_factor
        result = as_predictions(attributes, spend, predictions["purchase_probability"] * self.probability_factor)
        low, high = self.intervals.bounds(spend, 1 - (1 - result["purchase_probability"]) ** windows)
        return result.assign(spend_low=low, spend_high=high)

    def explain(self, attributes: pd.DataFrame, money: float, days: int) -> list[str]:
        """Reasons of each user in words: no orders, mean spend of the segment, and the learner's reasons.

        Args:
            attributes: as in `predict`.
            money: mean customer's spend.
            days: length of the horizon.
        """
        estimates, depth = self.segments.finest(attributes)
        profile = select(attributes, self.segments.columns).fillna(MISSING).itertuples(index=False, name=None)
        texts = []
        for spend, columns, values in zip(estimates[:, 0] * self.spend_factor * money, depth, profile, strict=True):
            known = dict(zip(self.segments.columns[:columns], values, strict=False))
            words = ", ".join(self.phrases[name].format(value=v) for name, v in known.items() if v != MISSING)
            users = f"such users ({words}) spend" if words else "users without orders spend"
            texts.append(f"no orders yet; {users} {spend:,.0f} in {days} days on average")
        if self.reasons is None:
            return texts
        return ["; ".join(filter(None, pair)) for pair in zip(texts, self.reasons.explain(attributes), strict=True)]
