"""The model that is registered and scores everyone: a blend of families and what turns its money into a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import select
from models.percentiles import quantile_grid, shares
from models.protocol import SpendModel
from models.reasons import Reasons
from models.targets import as_predictions


class Member(NamedTuple):
    """A fitted model and its weight in the blend."""

    weight: float
    model: SpendModel
    family: str


@dataclass(frozen=True)
class PurchasingPower:
    """Scores users; picklable, and complete: nothing is learned or looked up when it predicts.

    Attributes:
        members: the blend; weights sum to 1.
        horizon_ratio: horizon_days / label_days; 1 unless the history was too short for labels of the whole horizon.
        feature_names: the columns it reads.
        tier_shares: shares (0 to 1) of `high` and `mid` in the reference population; the rest is `low`.
        reference_spend: quantiles of expected spend in the reference population, ascending.
    """

    members: tuple[Member, ...]
    horizon_ratio: float
    feature_names: tuple[str, ...]
    tier_shares: Mapping[str, float]
    reference_spend: NDArray[np.float64]
    reasons: Reasons

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score users; same index.

        Returns:
            expected_spend (money in the horizon, at least 0), purchase_probability (0 to 1), score (0 to 100, the
            percentile of expected_spend in the reference population), tier ("high", "mid", "low"), reasons
            (joined by "; ").

        Raises:
            ValueError: a feature is missing.
        """
        result = self.predict_spend(features)
        result["reasons"] = self.reasons.explain(features)
        return result

    def predict_spend(self, features: pd.DataFrame) -> pd.DataFrame:
        """`predict` without the reasons, which take most of its time."""
        result = _blended(self.members, select(features, self.feature_names), self.horizon_ratio)
        score = percentile_score(self.reference_spend, result["expected_spend"])
        return result.assign(score=score, tier=tiers(score, self.tier_shares))


def build(
    members: Sequence[Member],
    reference: pd.DataFrame,
    *,
    phrases: Mapping[str, str],
    tier_shares: Mapping[str, float],
    top_reasons: int,
    horizon_ratio: float = 1.0,
    seed: int = 0,
    threads: int = 1,
) -> PurchasingPower:
    """Put fitted members together and learn score, tiers and reasons from a reference population.

    Args:
        members: fitted models whose weights sum to 1.
        reference: features of the users that a score compares with, such as those of the newest snapshot.
        phrases: a phrase per feature, see `Reasons`.
        tier_shares: shares (0 to 1) of `high` and `mid`.
        top_reasons: how many reasons a user gets at most.
        horizon_ratio: horizon_days / label_days.
        seed: of the model that finds the reasons.
        threads: that it may use.

    Raises:
        ValueError: no members or no reference users.
    """
    if not members or not len(reference):
        raise ValueError(
            f"Expected at least one member and one reference user, found {len(members)} and {len(reference)}."
        )
    spend = _blended(members, reference, horizon_ratio)["expected_spend"]
    grid = quantile_grid(spend)
    return PurchasingPower(
        members=tuple(members),
        horizon_ratio=horizon_ratio,
        feature_names=tuple(reference.columns),
        tier_shares=dict(tier_shares),
        reference_spend=grid,
        reasons=Reasons(phrases, top_reasons, seed, threads).fit(reference, percentile_score(grid, spend)),
    )


def percentile_score(reference: NDArray[np.float64], expected_spend: pd.Series) -> NDArray[np.float64]:
    """Percentile (0 to 100) in the reference; a user tied with others stands in their middle."""
    below, above = shares(reference, expected_spend)
    return 50 * (1 + below - above)


def tiers(score: NDArray[np.float64], tier_shares: Mapping[str, float]) -> NDArray[np.str_]:
    """Tier by score: `high` from the top, then `mid`, then `low`."""
    high = 100 * (1 - tier_shares["high"])
    mid = high - 100 * tier_shares["mid"]
    return np.where(score >= high, "high", np.where(score >= mid, "mid", "low"))


def _blended(members: Sequence[Member], features: pd.DataFrame, horizon_ratio: float) -> pd.DataFrame:
    predictions = [member.model.predict(features) * member.weight for member in members]
    spend = sum(prediction["expected_spend"].to_numpy() for prediction in predictions)
    probability = sum(prediction["purchase_probability"].to_numpy() for prediction in predictions)
    # not buying in the horizon is not buying in each of its `horizon_ratio` parts
    horizon_probability = 1 - (1 - np.clip(probability, 0, 1)) ** horizon_ratio
    return as_predictions(features, np.asarray(spend) * horizon_ratio, horizon_probability)
