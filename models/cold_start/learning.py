"""Learning what users without orders will spend; see `models.cold_start`."""

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
"""Fewer users than that, or fewer of them who bought than `MIN_BUYERS`, are too few to learn from."""

MIN_BUYERS = 20
PRIOR_USERS = 200
"""What users really spent moves the level as if so many more of them had spent what is expected of them."""

SAMPLES = 200
TARGETS = {"expected_spend": "future_spend", "purchase_probability": "purchased"}
"""What is predicted, and what of it becomes true."""


@dataclass(frozen=True)
class Cohort:
    """Users to learn from, with spend in multiples of the mean customer's; `users` counts each once."""

    rows: LabelledUsers
    users: int

    @property
    def is_enough(self) -> bool:
        """Say whether something can be learned from them."""
        return self.users >= MIN_USERS and int(self.rows.purchased.sum()) >= MIN_BUYERS

    @property
    def rows_per_user(self) -> float:
        """At how many snapshots a user is."""
        return len(self.rows) / max(self.users, 1)


def in_customers(users: LabelledUsers, customers: LabelledUsers) -> LabelledUsers:
    """Users of one snapshot with spend in multiples of what its mean customer spent in the same window.

    Single enormous orders are cut on both sides, see `models.targets`. Money stays as it is where no customer spent.
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
    """Choose between segment mean and learner out of time, and fit what is chosen.

    Args:
        final: what is fitted on in the end.
        fold: training users, whose labels end before the snapshot of the validation users; for choice and intervals.
        learned_from: who these are.
        recent: those of the final users who are at the newest snapshot; how much they spend beside the customers sets
            the level, because it changes as a shop grows.
        without_orders: at the final snapshots, however few there are; they set it where others were learned from.
        phrases: a phrase per feature.
        top_reasons: how many reasons a user gets at most.
        windows: label windows that the horizon counts for, see `models.horizon`.
        seed: of what is random.
        threads: that the learner may use.

    Raises:
        ValueError: fewer than two rows to learn from.
    """
    segments = SegmentMean(final.rows_per_user).fit(final.rows)
    rehearsed = _rehearse(*fold, seed, threads)
    choice = rehearsed[0] if rehearsed else None
    learner = boosted(seed, threads, final).fit(final.rows) if choice and choice.is_learner else None
    model = learner or segments
    said = model.predict(final.rows.features)
    closest = [recent] if learned_from == "without_orders" else [recent, without_orders]
    spend_factor, probability_factor = (_factor(model, closest, side) for side in TARGETS)
    # where nothing could be rehearsed, those learned from say how far users are from their mean
    expected, spend = rehearsed[1:] if rehearsed else (said["expected_spend"], final.rows.future_spend)
    unit = float(said["expected_spend"].mean()) * spend_factor
    return ColdStart(
        segments=segments,
        learner=learner,
        choice=choice,
        spend_factor=spend_factor,
        probability_factor=probability_factor,
        intervals=intervals.fit([expected], [spend], unit, windows=windows, seed=seed),
        learned_from=learned_from,
        reasons=_reasons(final.rows.features, said, phrases, top_reasons, seed, threads) if learner else None,
        phrases=dict(phrases),
    )


def _rehearse(training: Cohort, validation: Cohort, seed: int, threads: int) -> tuple[Choice, Floats, Floats] | None:
    """The choice, and of the validation users what the chosen said and what they spent; None with too few of either."""
    if not (training.is_enough and validation.is_enough):
        return None
    inputs, spend = validation.rows.features, floats(validation.rows.future_spend)
    said = floats(SegmentMean(training.rows_per_user).fit(training.rows).predict(inputs)["expected_spend"])
    if not inputs.shape[1]:
        return Choice(0.0, 0.0, 0.5, 1.0), said, spend
    rival = floats(boosted(seed, threads, training).fit(training.rows).predict(inputs)["expected_spend"])
    gain = paired_bootstrap(spend, rival, said, SAMPLES, seed)
    errors = [float(((one * spend.mean() / (one.mean() or 1.0) - spend) ** 2).mean()) for one in (rival, said)]
    choice = Choice(*gain, errors[0] / errors[1] if errors[1] > 0 else 1.0)
    return choice, rival if choice.is_learner else said, spend


def boosted(seed: int, threads: int, cohort: Cohort) -> BoostedSpend:
    """Boosted trees with leaves that suit few users as well as many."""
    leaf = int(np.clip(cohort.users // 20, 10, 200))
    return BoostedSpend(hurdle=False, seed=seed, threads=threads, min_leaf=leaf, columns=1.0)


def _factor(model: SpendModel, cohorts: Sequence[Cohort], side: str) -> float:
    """What brings the mean of predictions to what cohorts, one after the other, did; a small cohort moves it little."""
    factor = 1.0
    for cohort in cohorts:
        if cohort.users:
            said = factor * float(model.predict(cohort.rows.features)[side].mean())
            true = float(floats(getattr(cohort.rows, TARGETS[side])).mean())
            if said > 0:
                factor *= (cohort.users * true / said + PRIOR_USERS) / (cohort.users + PRIOR_USERS)
    return factor


def _reasons(
    features: pd.DataFrame, said: pd.DataFrame, phrases: Mapping[str, str], top: int, seed: int, threads: int
) -> Reasons | None:
    """Of the numbers only: what the profile says is in the words about the segment."""
    numbers = features.select_dtypes("number").columns
    spoken = {name: phrase for name, phrase in phrases.items() if name in numbers}
    score = 100 * rankdata(said["expected_spend"]) / len(said)
    # two reasons are those that every user without orders has
    return Reasons(spoken, top - 2, seed, threads).fit(features, score) if spoken and top > 2 else None  # noqa: PLR2004
