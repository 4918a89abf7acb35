"""The registered model that scores every user: a blend of families, and the steps from its money to a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.cold_start.model import ColdStart
from models.encoding import select
from models.predictions import ATTRIBUTES, ORDERS
from models.preprocessing import Preprocessing
from models.protocol import SpendModel
from models.score.calibration import Calibration
from models.score.intervals import Intervals
from models.score.own_column import OwnColumn
from models.score.percentiles import percentile_score, quantile_grid, tiers
from models.score.reasons import Reasons
from models.targets import as_predictions


class Member(NamedTuple):
    """A fitted model in a blend.

    Attributes:
        weight: weight in the blend.
        model: the fitted model.
        family: its name in the catalog.
        scale: factor on its money before averaging, see `models.score.blend.scales`.
    """

    weight: float
    model: SpendModel
    family: str
    scale: float = 1.0


@dataclass(frozen=True)
class PurchasingPower:
    """Score users. Picklable and complete: prediction learns nothing and looks nothing up.

    Attributes:
        members: the blend; weights sum to 1.
        horizon_days: length of the window, from the snapshot on, that all predictions cover.
        windows: equivalent number of label windows in the horizon, see `models.btyd.horizon`; 1 unless the history was
            too short for labels of the whole horizon.
        calibration: map from the blend's money, which ranks users, to money at the forecast level.
        intervals: intervals of a user's spend, by calibrated expected spend.
        feature_names: columns that the model reads.
        tier_shares: shares (0 to 1) of `high` and `mid` in the reference population; the rest is `low`.
        reference_spend: ascending quantiles of the blend in the reference population, independent of the level.
        reasons: model that explains the score; a baseline's is its own column.
        cold_start: model of users without orders; None in models older than it.
        preprocessing: policies applied to features before the members see them; None in models older than it.
        baseline: name of the baseline that this is; None for a model.
    """

    members: tuple[Member, ...]
    horizon_days: int
    windows: float
    calibration: Calibration
    intervals: Intervals
    feature_names: tuple[str, ...]
    tier_shares: Mapping[str, float]
    reference_spend: NDArray[np.float64]
    reasons: Reasons | OwnColumn
    cold_start: ColdStart | None = None
    preprocessing: Preprocessing | None = None
    baseline: str | None = None

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score users with orders; same index.

        Returns:
            expected_spend (money in the horizon, at least 0), spend_low and spend_high (80 % interval of the user's
            spend), purchase_probability (0 to 1), score (0 to 100, the blend's percentile in the reference population),
            tier ("high", "mid", "low"), reasons (joined by "; "), basis ("orders").

        Raises:
            ValueError: a feature is missing.
        """
        return self.to_scores(self.blend_and_reasons(features))

    def predict_spend(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score users like `predict`, without reasons and basis; reasons take most of its time."""
        return self.to_scores(self.blend(features))

    def blend(self, features: pd.DataFrame) -> pd.DataFrame:
        """Average the members' predictions after preprocessing, independent of the level; same index.

        Returns:
            blend (ranks users and scales to money) and probability (of a purchase in the label window).
        """
        chosen = select(features, self.feature_names)
        prepared = self.preprocessing.transform(chosen) if self.preprocessing else chosen
        spend, probability = blended(self.members, prepared)
        return pd.DataFrame({"blend": spend, "probability": probability}, index=features.index)

    def blend_and_reasons(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `blend` with `reasons` and `basis`, which do not depend on the level either."""
        return self.blend(features).assign(reasons=self.reasons.explain(features), basis=ORDERS)

    def to_scores(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Turn the output of `blend` or `blend_and_reasons` into spend at the forecast level, score and tier."""
        blend = predictions["blend"].to_numpy()
        horizon_probability = 1 - (1 - predictions["probability"].to_numpy()) ** self.windows
        result = as_predictions(predictions, self.calibration.apply(blend), horizon_probability)
        low, high = self.intervals.bounds(result["expected_spend"], horizon_probability)
        score = percentile_score(self.reference_spend, blend)
        result = result.assign(spend_low=low, spend_high=high, score=score, tier=tiers(score, self.tier_shares))
        return result.assign(**predictions.drop(columns=["blend", "probability"]))

    def predict_without_orders(self, attributes: pd.DataFrame) -> pd.DataFrame:
        """Score users without orders; same index and columns as `predict`, with basis "attributes".

        Their money follows the level of users with orders, see `models.cold_start`; their score is the percentile among
        those users.

        Args:
            attributes: profile and behaviour features; other columns are ignored.

        Raises:
            ValueError: a feature is missing, or the model has no cold start.
        """
        if self.cold_start is None:
            raise ValueError("The model has no cold start, because it is too old: train and promote a new one.")
        customer = self.intervals.unit
        result = self.cold_start.predict(attributes, self.windows)
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
        """Copy the model with its money at another level; scores, tiers and reasons stay.

        Args:
            features: features of all users that the total covers.
            total: forecast of their spend in the horizon, see `models.level`.
        """
        if not len(features):
            return self
        return self.at_level(self.blend(features)["blend"].to_numpy(), total)

    def at_level(self, blend: NDArray[np.float64], total: float) -> Self:
        """Copy the model like `levelled`, for at least one user, given their blend; shape (users,)."""
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
    baseline: tuple[str, str] | None = None,
) -> PurchasingPower:
    """Assemble fitted members and learn score, tiers and reasons from a reference population.

    Args:
        members: fitted models whose weights sum to 1.
        reference: features of the population that scores are percentiles of, such as the newest snapshot.
        horizon_days: see `PurchasingPower`.
        calibration: calibration at the level of the reference population.
        intervals: intervals of its users.
        phrases: one phrase per feature, see `Reasons`.
        tier_shares: shares (0 to 1) of `high` and `mid`.
        top_reasons: maximum number of reasons per user.
        windows: equivalent number of label windows in the horizon.
        seed: seed of the model that finds the reasons.
        threads: threads that it may use.
        cold_start: model of users without orders.
        preprocessing: policies fitted on the members' training set.
        baseline: name and column of the baseline that the only member is; None for a model.

    Raises:
        ValueError: no members or no reference users.

    >>> from models.families.baselines import PreviousWindow
    >>> from models.score import calibration, intervals
    >>> users = pd.DataFrame({"spend_28d": np.arange(10.0), "purchase_days_28d": 1.0})
    >>> spend, member = [np.arange(10.0)], Member(1.0, PreviousWindow(horizon_days=28), "previous_window")
    >>> learned = {"calibration": calibration.fit(spend, spend), "intervals": intervals.fit(spend, spend, unit=4.5)}
    >>> parts = {"phrases": {}, "tier_shares": {"high": 0.2, "mid": 0.3}, "top_reasons": 3, **learned}
    >>> build([member], users, horizon_days=28, **parts).predict(users)["tier"].value_counts().to_dict()
    {'low': 5, 'mid': 3, 'high': 2}
    """
    if not members or not len(reference):
        found = f"{len(members)} and {len(reference)}"
        raise ValueError(f"Expected at least one member and one reference user, found {found}.")
    prepared = preprocessing or Preprocessing()
    spend, _ = blended(members, prepared.transform(reference))
    grid = quantile_grid(spend)
    own = OwnColumn(baseline[1], phrases.get(baseline[1], "")) if baseline else None
    reasons = own or Reasons(phrases, top_reasons, seed, threads)
    seen = reference.drop(columns=prepared.dropped)  # a column that the members do not see is no reason
    return PurchasingPower(
        members=tuple(members),
        horizon_days=horizon_days,
        windows=windows,
        calibration=calibration,
        intervals=intervals,
        feature_names=tuple(reference.columns),
        tier_shares=dict(tier_shares),
        reference_spend=grid,
        reasons=reasons.fit(seen, percentile_score(grid, spend)),
        cold_start=cold_start,
        preprocessing=preprocessing,
        baseline=baseline[0] if baseline else None,
    )


def blended(members: Sequence[Member], features: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted means of the members' expected spend and purchase probability in the label window; shape (users,) each.

    >>> from models.families.baselines import Mean
    >>> low, high = Mean(spend=10.0, probability=0.2), Mean(spend=30.0, probability=0.4)
    >>> members = [Member(0.5, low, "mean"), Member(0.5, high, "mean", scale=2.0)]
    >>> spend, probability = blended(members, pd.DataFrame(index=[0]))
    >>> spend.tolist(), probability.round(2).tolist()
    ([35.0], [0.3])
    """
    spend, probability = np.zeros(len(features)), np.zeros(len(features))
    for member in members:
        prediction = member.model.predict(features)
        spend += member.weight * member.scale * prediction["expected_spend"].to_numpy()
        probability += member.weight * prediction["purchase_probability"].to_numpy()
    return spend, np.clip(probability, 0, 1)
