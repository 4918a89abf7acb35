"""Learn the spend of users without orders; see `models.cold_start.model`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from models.cold_start.model import Choice, ColdStart, LearnedFrom
from models.cold_start.segment_mean import SegmentMean
from models.families.lightgbm import BoostedSpend
from models.measures.gini import Floats, floats, paired_bootstrap
from models.protocol import LabelledUsers, SpendModel
from models.score import intervals
from models.score.reasons import Reasons
from models.targets import winsorised_spend

MIN_USERS = 200
"""Minimum number of users to learn from."""

MIN_BUYERS = 20
"""Minimum number of buyers among them."""
PRIOR_USERS = 200
"""Weight of the prior, in users who spend as predicted, when observed spend corrects the level."""

SAMPLES = 200
"""Bootstrap samples of the comparison."""
TARGETS = {"expected_spend": "future_spend", "purchase_probability": "purchased"}
"""Labels by prediction column."""


@dataclass(frozen=True)
class Cohort:
    """Users to learn from, with spend in multiples of the mean customer's; `users` counts distinct users.

    >>> spend = pd.Series([1.0, 0.0, 2.0, 0.0])
    >>> Cohort(LabelledUsers(pd.DataFrame(index=spend.index), spend, spend > 0), users=2).rows_per_user
    2.0
    """

    rows: LabelledUsers
    users: int

    @property
    def is_enough(self) -> bool:
        """Say whether the cohort is large enough to learn from."""
        return self.users >= MIN_USERS and int(self.rows.purchased.sum()) >= MIN_BUYERS

    @property
    def rows_per_user(self) -> float:
        """Mean number of snapshots per user."""
        return len(self.rows) / max(self.users, 1)


def in_customers(users: LabelledUsers, customers: LabelledUsers) -> LabelledUsers:
    """Express the spend of one snapshot's users in multiples of the mean customer's spend in the same window.

    Both sides are clipped against single enormous orders, see `models.targets`. Spend is unchanged if no customer
    spent.

    >>> spend, features = pd.Series([10.0, 0.0]), pd.DataFrame(index=[0, 1])
    >>> users, customers = (LabelledUsers(features, money, money > 0) for money in (spend, spend * 4))
    >>> in_customers(users, customers).future_spend.tolist()
    [0.5, 0.0]
    """
    mean = float(winsorised_spend(customers).mean()) or 1.0
    spend = winsorised_spend(users) / mean if len(users) else np.empty(0)
    return LabelledUsers(users.features, pd.Series(spend, index=users.future_spend.index), users.purchased)


def fit(
    final: Cohort,
    fold: tuple[Cohort, Cohort],
    *,
    learned_from: LearnedFrom,
    recent: Cohort,
    without_orders: Cohort,
    phrases: Mapping[str, str],
    top_reasons: int,
    windows: float = 1.0,
    seed: int = 0,
    threads: int = 1,
) -> ColdStart:
    """Choose between segment mean and learner out of time, and fit the choice.

    Args:
        final: users for the final fit.
        fold: training users, and validation users whose snapshot follows the end of the training labels; for choice and
            intervals.
        learned_from: kind of users in these cohorts.
        recent: final users at the newest snapshot. Their spend relative to the customers sets the level, because it
            changes as a shop grows.
        without_orders: users without orders at the final snapshots, however few; they set the level if other users were
            learned from.
        phrases: one phrase per feature, see `models.score.reasons`.
        top_reasons: maximum number of reasons per user.
        windows: equivalent number of label windows in the horizon, see `models.btyd.horizon`.
        seed: seed of everything random.
        threads: threads that the learner may use.

    Raises:
        ValueError: fewer than two rows to learn from.
    """
    segments = SegmentMean(final.rows_per_user).fit(final.rows)
    compared = _compare_out_of_time(*fold, seed, threads)
    choice = compared[0] if compared else None
    learner = boosted(seed, threads, final).fit(final.rows) if choice and choice.is_learner else None
    model = learner or segments
    predictions = model.predict(final.rows.features)
    closest = [recent] if learned_from == "without_orders" else [recent, without_orders]
    spend_factor, probability_factor = (_factor(model, closest, side) for side in TARGETS)
    # without an out-of-time comparison, residuals of the training users give the intervals
    expected, spend = compared[1:] if compared else (predictions["expected_spend"], final.rows.future_spend)
    unit = float(predictions["expected_spend"].mean()) * spend_factor
    return ColdStart(
        segments=segments,
        learner=learner,
        choice=choice,
        spend_factor=spend_factor,
        probability_factor=probability_factor,
        intervals=intervals.fit([expected], [spend], unit, windows=windows),
        learned_from=learned_from,
        reasons=_reasons(final.rows.features, predictions, phrases, top_reasons, seed, threads) if learner else None,
        phrases=dict(phrases),
    )


def _compare_out_of_time(
    training: Cohort, validation: Cohort, seed: int, threads: int
) -> tuple[Choice, Floats, Floats] | None:
    """Choose on the validation cohort; return also the chosen predictions and the true spend.

    None if either cohort is too small.
    """
    if not (training.is_enough and validation.is_enough):
        return None
    inputs, spend = validation.rows.features, floats(validation.rows.future_spend)
    segment_spend = floats(SegmentMean(training.rows_per_user).fit(training.rows).predict(inputs)["expected_spend"])
    if not inputs.shape[1]:
        return Choice(0.0, 0.0, 0.5, 1.0), segment_spend, spend
    boosted_spend = floats(boosted(seed, threads, training).fit(training.rows).predict(inputs)["expected_spend"])
    gain = paired_bootstrap(spend, boosted_spend, segment_spend, SAMPLES, seed)
    errors = [
        float(((part * spend.mean() / (part.mean() or 1.0) - spend) ** 2).mean())
        for part in (boosted_spend, segment_spend)
    ]
    choice = Choice(*gain, errors[0] / errors[1] if errors[1] > 0 else 1.0)
    return choice, boosted_spend if choice.is_learner else segment_spend, spend


def boosted(seed: int, threads: int, cohort: Cohort) -> BoostedSpend:
    """Build boosted trees with a leaf size between 10 and 200 that grows with the number of users.

    >>> rows = LabelledUsers(pd.DataFrame(), pd.Series(dtype=float), pd.Series(dtype=bool))
    >>> boosted(seed=0, threads=1, cohort=Cohort(rows, users=1_000)).min_leaf
    50
    """
    leaf = int(np.clip(cohort.users // 20, 10, 200))
    return BoostedSpend(hurdle=False, seed=seed, threads=threads, min_leaf=leaf, columns=1.0)


def _factor(model: SpendModel, cohorts: Sequence[Cohort], side: str) -> float:
    """Factor from mean predictions to observed means, cohort after cohort; a small cohort changes it little."""
    factor = 1.0
    for cohort in cohorts:
        if cohort.users:
            predicted = factor * float(model.predict(cohort.rows.features)[side].mean())
            true = float(floats(getattr(cohort.rows, TARGETS[side])).mean())
            if predicted > 0:
                factor *= (cohort.users * true / predicted + PRIOR_USERS) / (cohort.users + PRIOR_USERS)
    return factor


def _reasons(
    features: pd.DataFrame, predictions: pd.DataFrame, phrases: Mapping[str, str], top: int, seed: int, threads: int
) -> Reasons | None:
    """Fit reasons to numeric features only; the segment's words cover the profile."""
    numbers = features.select_dtypes("number").columns
    numeric_phrases = {name: phrase for name, phrase in phrases.items() if name in numbers}
    score = 100 * rankdata(predictions["expected_spend"]) / len(predictions)
    own = top - 2  # two reasons are the same for every user without orders
    return Reasons(numeric_phrases, own, seed, threads).fit(features, score) if numeric_phrases and own > 0 else None
