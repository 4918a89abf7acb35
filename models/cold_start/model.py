"""What users without orders will spend, from profile and behaviour alone: the mean of their segment, or what beats it.

Money is in multiples of what the mean customer spends in the same window: season and trend, which move both, cancel
out, and the level that is forecast for the customers is that of users without orders too.
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
"""Whose spend was learned: users who were known and had not bought; where there are too few, customers whose first
purchase was shortly before the snapshot; where there are too few of those too, all customers."""

CONFIDENCE = 0.9
"""Share of the bootstrap samples in which a learner has to order users better than the segment mean does."""


@dataclass(frozen=True)
class Choice:
    """How the learner did against the segment mean on the validation snapshot.

    Attributes:
        gain, standard_error, better_share: of nGini, see `models.gini.paired_bootstrap`.
        squared_error: of the learner over that of the segment mean, both at the level of the truth.
    """

    gain: float
    standard_error: float
    better_share: float
    squared_error: float

    @property
    def is_learner(self) -> bool:
        """Only what orders users surely better and is no further from their spend replaces the segment mean."""
        return self.gain > 0 and self.better_share >= CONFIDENCE and self.squared_error <= 1


@dataclass(frozen=True)
class ColdStart:
    """Scores users without orders; picklable, and complete.

    Attributes:
        segments: the mean of the segment.
        learner: what beat it out of time; None: the segment mean is the model.
        choice: how that was found; None where there was no validation or nothing but the mean to learn.
        spend_factor, probability_factor: from those learned from to the newest of them, and to users without orders.
        intervals: of spend.
        learned_from: whose spend was learned.
        reasons: of the learner's numbers.
        phrases: a phrase per feature, see `models.reasons`.
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

    def predict(self, attributes: pd.DataFrame) -> pd.DataFrame:
        """Expected spend and its 80 % interval, in multiples of the mean customer's, and the purchase probability.

        Args:
            attributes: features of profile and behaviour; others are not looked at.

        Returns:
            expected_spend, spend_low, spend_high, purchase_probability; same index.

        Raises:
            ValueError: a feature is missing.
        """
        said = (self.learner or self.segments).predict(attributes)
        spend = said["expected_spend"] * self.spend_factor
        result = as_predictions(attributes, spend, said["purchase_probability"] * self.probability_factor)
        low, high = self.intervals.bounds(spend)
        return result.assign(spend_low=low, spend_high=high)

    def explain(self, attributes: pd.DataFrame, money: float, days: int) -> list[str]:
        """The reasons of each user in words: no orders, what users of the segment spend, and the learner's reasons.

        Args:
            attributes: as in `predict`.
            money: what the mean customer spends.
            days: in so many days.
        """
        said, depth = self.segments.finest(attributes)
        profile = select(attributes, self.segments.columns).fillna(MISSING).itertuples(index=False, name=None)
        texts = []
        for spend, columns, values in zip(said[:, 0] * self.spend_factor * money, depth, profile, strict=True):
            known = dict(zip(self.segments.columns[:columns], values, strict=False))
            words = ", ".join(self.phrases[name].format(value=v) for name, v in known.items() if v != MISSING)
            who = f"such users ({words}) spend" if words else "users without orders spend"
            texts.append(f"no orders yet; {who} {spend:,.0f} in {days} days on average")
        if self.reasons is None:
            return texts
        return ["; ".join(filter(None, pair)) for pair in zip(texts, self.reasons.explain(attributes), strict=True)]
