"""The model that is registered and scores everyone: a blend of families and what turns its money into a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.cold_start.model import ColdStart
from models.encoding import select
from models.predictions import ATTRIBUTES, HIGH, LOW, MID, ORDERS
from models.preprocessing import Preprocessing
from models.protocol import SpendModel
from models.score.calibration import Calibration
from models.score.intervals import Intervals
from models.score.percentiles import quantile_grid, shares
from models.score.reasons import Reasons
from models.targets import as_predictions


class Member(NamedTuple):
    """A fitted model in a blend.

    Attributes:
        weight: in the blend.
        model: the fitted model.
        family: its name in the catalog.
        scale: what its money is multiplied with before it is averaged, see `models.blend.scales`.
    """

    weight: float
    model: SpendModel
    family: str
    scale: float = 1.0


@dataclass(frozen=True)
class PurchasingPower:
    """Scores users; picklable, and complete: nothing is learned or looked up when it predicts.

    Attributes:
        members: the blend; weights sum to 1.
        horizon_days: the window from the snapshot on that all predictions are about.
        windows: label windows that the horizon counts for, see `models.horizon`; 1 unless the history was too short for
            labels of the whole horizon.
        calibration: from the blend's money, which ranks, to the money of the level that is forecast.
        intervals: of a user's spend, by calibrated expected spend.
        feature_names: the columns it reads.
        tier_shares: shares (0 to 1) of `high` and `mid` in the reference population; the rest is `low`.
        reference_spend: quantiles of the blend in the reference population, ascending; the level does not move them.
        cold_start: of users without orders; None in models from before there was one.
        preprocessing: what happens to the features before the members see them; None in models from before it.
    """

    members: tuple[Member, ...]
    horizon_days: int
    windows: float
    calibration: Calibration
    intervals: Intervals
    feature_names: tuple[str, ...]
    tier_shares: Mapping[str, float]
    reference_spend: NDArray[np.float64]
    reasons: Reasons
    cold_start: ColdStart | None = None
    preprocessing: Preprocessing | None = None

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score users; same index.

        Returns:
            expected_spend (money in the horizon, at least 0), spend_low and spend_high (80 % interval of what the user
            will spend), purchase_probability (0 to 1), score (0 to 100, the percentile of the blend in the reference
            population), tier ("high", "mid", "low"), reasons (joined by "; "), basis ("orders").

        Raises:
            ValueError: a feature is missing.
        """
        return self.finished(self.blend_and_reasons(features))

    def predict_spend(self, features: pd.DataFrame) -> pd.DataFrame:
        """`predict` without the reasons, which take most of its time."""
        return self.finished(self.blend(features))

    def blend(self, features: pd.DataFrame) -> pd.DataFrame:
        """What the members say of users after preprocessing, whatever the level; same index.

        Returns:
            blend, which ranks and from which money comes, and probability, to buy in the label window.
        """
        chosen = select(features, self.feature_names)
        prepared = self.preprocessing.transform(chosen) if self.preprocessing else chosen
        spend, probability = blended(self.members, prepared)
        return pd.DataFrame({"blend": spend, "probability": probability}, index=features.index)

    def blend_and_reasons(self, features: pd.DataFrame) -> pd.DataFrame:
        """`blend` with `reasons`, which the level does not move either, and `basis`."""
        return self.blend(features).assign(reasons=self.reasons.explain(features), basis=ORDERS)

    def finished(self, said: pd.DataFrame) -> pd.DataFrame:
        """The answer for users of whom `blend` or `blend_and_reasons` was asked: money at the level, score and tier."""
        blend = said["blend"].to_numpy()
        horizon_probability = 1 - (1 - said["probability"].to_numpy()) ** self.windows
        result = as_predictions(said, self.calibration.apply(blend), horizon_probability)
        low, high = self.intervals.bounds(result["expected_spend"])
        score = percentile_score(self.reference_spend, blend)
        result = result.assign(spend_low=low, spend_high=high, score=score, tier=tiers(score, self.tier_shares))
        return result.assign(**said.drop(columns=["blend", "probability"]))

    def predict_without_orders(self, attributes: pd.DataFrame) -> pd.DataFrame:
        """Score users who have no orders yet; same index, and columns as in `predict`, with basis "attributes".

        Their money follows the level of the users with orders, see `models.cold_start`, and their score is the
        percentile among these.

        Args:
            attributes: features of profile and behaviour; others are not looked at.

        Raises:
            ValueError: a feature is missing, or the model has no cold start.
        """
        if self.cold_start is None:
            raise ValueError("The model is from before there was a cold start: train and promote a new one.")
        customer = self.intervals.unit
        result = self.cold_start.predict(attributes)
        money = ["expected_spend", "spend_low", "spend_high"]
        result[money] *= customer
        result["purchase_probability"] = 1 - (1 - result["purchase_probability"]) ** self.windows
        reference = self.calibration.apply(self.reference_spend)
        score = percentile_score(reference, result["expected_spend"].to_numpy())
        return result.assign(
            score=score,
            tier=tiers(score, self.tier_shares),
            reasons=self.cold_start.explain(attributes, customer, self.horizon_days),
            basis=ATTRIBUTES,
        )

    def levelled(self, features: pd.DataFrame, total: float) -> Self:
        """The same model with its money at another level; scores, tiers and reasons stay.

        Args:
            features: of all users that the total is about.
            total: forecast of their spend in the horizon, see `models.level`.
        """
        if not len(features):
            return self
        return self.at_level(self.blend(features)["blend"].to_numpy(), total)

    def at_level(self, blend: NDArray[np.float64], total: float) -> Self:
        """`levelled` for users, at least one, whose blend is known."""
        return replace(
            self,
            calibration=self.calibration.at_level(blend, total),
            intervals=replace(self.intervals, unit=max(total, 0.01) / len(blend)),
        )


def build(
    members: Sequence[Member],
    reference: pd.DataFrame,
    *,
    horizon_days: int,
    calibration: Calibration,
    intervals: Intervals,
    phrases: Mapping[str, str],
    tier_shares: Mapping[str, float],
    top_reasons: int,
    windows: float = 1.0,
    seed: int = 0,
    threads: int = 1,
    cold_start: ColdStart | None = None,
    preprocessing: Preprocessing | None = None,
) -> PurchasingPower:
    """Put fitted members together and learn score, tiers and reasons from a reference population.

    Args:
        members: fitted models whose weights sum to 1.
        reference: features of the users that a score compares with, such as those of the newest snapshot.
        horizon_days: see `PurchasingPower`.
        calibration: at the level of the reference population.
        intervals: of its users.
        phrases: a phrase per feature, see `Reasons`.
        tier_shares: shares (0 to 1) of `high` and `mid`.
        top_reasons: how many reasons a user gets at most.
        windows: label windows that the horizon counts for.
        seed: of the model that finds the reasons.
        threads: that it may use.
        cold_start: of users without orders.
        preprocessing: fitted on the training set of the members.

    Raises:
        ValueError: no members or no reference users.
    """
    if not members or not len(reference):
        raise ValueError(
            f"Expected at least one member and one reference user, found {len(members)} and {len(reference)}."
        )
    prepared = preprocessing or Preprocessing()
    spend, _ = blended(members, prepared.transform(reference))
    grid = quantile_grid(spend)
    # reasons tell values as they are; a column that the members don't see is none
    seen = reference.drop(columns=prepared.dropped)
    return PurchasingPower(
        members=tuple(members),
        horizon_days=horizon_days,
        windows=windows,
        calibration=calibration,
        intervals=intervals,
        feature_names=tuple(reference.columns),
        tier_shares=dict(tier_shares),
        reference_spend=grid,
        reasons=Reasons(phrases, top_reasons, seed, threads).fit(seen, percentile_score(grid, spend)),
        cold_start=cold_start,
        preprocessing=preprocessing,
    )


def percentile_score(reference: NDArray[np.float64], expected_spend: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentile (0 to 100) in the reference; a user tied with others stands in their middle."""
    below, above = shares(reference, expected_spend)
    return 50 * (1 + below - above)


def tiers(score: NDArray[np.float64], tier_shares: Mapping[str, float]) -> NDArray[np.str_]:
    """Tier by score: `high` from the top, then `mid`, then `low`."""
    high = 100 * (1 - tier_shares[HIGH])
    mid = high - 100 * tier_shares[MID]
    return np.where(score >= high, HIGH, np.where(score >= mid, MID, LOW))


def blended(members: Sequence[Member], features: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted means of what the members expect a user to spend in the label window, and of the probability to buy."""
    spend, probability = np.zeros(len(features)), np.zeros(len(features))
    for member in members:
        prediction = member.model.predict(features)
        spend += member.weight * member.scale * prediction["expected_spend"].to_numpy()
        probability += member.weight * prediction["purchase_probability"].to_numpy()
    return spend, np.clip(probability, 0, 1)
