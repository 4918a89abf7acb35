"""Train the cold-start model, which scores users without orders from profile and behaviour, on cohorts in the lake."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TypeAlias

import pandas as pd

from features.definitions import FEATURES, of_attributes
from models.cold_start.learning import Cohort, fit, in_customers
from models.cold_start.model import ColdStart, LearnedFrom
from models.protocol import LabelledUsers
from pipelines.lake import tables
from pipelines.results.training import Split
from pipelines.retraining.fitting import unfitted_preprocessing
from pipelines.retraining.training_set import TRAINING_SETS, TRAINING_WITHOUT_ORDERS, attribute_names, read_labelled
from pipelines.settings import Settings

AGE = "T"
"""Feature: days since a customer's first purchase."""

REGISTRATION = "users.registered_at"
"""Column whose features are not learned from customers: early registration marks loyal customers, but users without
orders who won't buy."""

LAST_RESORT: LearnedFrom = "customers"
"""Cohort to learn from if no cohort is large enough."""

Users: TypeAlias = tuple[pd.Series, LabelledUsers]
"""user_id and the users of one snapshot, row for row."""

log = logging.getLogger(__name__)


def learn(settings: Settings, split: Split, windows: float = 1.0) -> ColdStart:
    """Fit on the snapshots of the final fit; choose the learner on the newest fold of `split`.

    Args:
        settings: the settings.
        split: result of step `split`.
        windows: length of the horizon in label windows; see `windows_in_horizon` in models.btyd.horizon.
    """
    newest = split.folds[0]
    cohorts = read_cohorts(settings, split, [split.final, newest.training, [newest.validation], [max(split.final)]])
    enough = [name for name, (final, *_) in cohorts.items() if final.is_enough]
    learned_from = enough[0] if enough else LAST_RESORT
    final, training, validation, recent = cohorts[learned_from]
    model = fit(
        final,
        (training, validation),
        learned_from=learned_from,
        recent=recent,
        without_orders=cohorts["without_orders"][0],
        phrases={feature.name: feature.phrase for feature in of_attributes(FEATURES)},
        top_reasons=settings.scoring.reasons,
        windows=windows,
        seed=settings.training.seed,
        threads=settings.training.threads,
    )
    log.info("cold start learned from %s: %s", learned_from, "learner" if model.learner else "segment means")
    return model


def read_cohorts(
    settings: Settings, split: Split, parts: Sequence[Sequence[date]]
) -> Mapping[LearnedFrom, list[Cohort]]:
    """Read the cohorts that the model can learn from, best first, with the features that users without orders have.

    Args:
        settings: the settings.
        split: result of step `split`.
        parts: groups of snapshots.

    Returns:
        By source, one cohort per group of snapshots; a cohort may be empty.
    """
    days = sorted({day for part in parts for day in part})
    policies = unfitted_preprocessing(settings)
    names = [name for name in attribute_names(split.features) if not policies.drops(name)]
    customers = {day: _read(settings, split, day, [*names, AGE]) for day in days}
    if tables.exists(settings, TRAINING_WITHOUT_ORDERS):
        without_orders = {day: _read(settings, split, day, names, TRAINING_WITHOUT_ORDERS) for day in days}
    else:
        none = -1
        without_orders = {day: _first_bought_within(users, none) for day, users in customers.items()}
    newcomers = {day: _first_bought_within(users, split.label_days) for day, users in customers.items()}
    comparable = [
        feature.name
        for feature in of_attributes(FEATURES)
        if feature.name in names and REGISTRATION not in feature.needs
    ]
    sources: dict[LearnedFrom, tuple[dict[date, Users], list[str]]] = {
        "without_orders": (without_orders, names),
        "newcomers": (newcomers, comparable),
        "customers": (customers, comparable),
    }
    return {
        source: [_cohort(users, customers, part, columns) for part in parts]
        for source, (users, columns) in sources.items()
    }


def _read(settings: Settings, split: Split, day: date, names: list[str], table_name: str = TRAINING_SETS) -> Users:
    rows = read_labelled(settings, split, [day], names, table_name)
    return rows.user_id, rows.users


def _first_bought_within(users: Users, days: int) -> Users:
    """Select customers whose first purchase was at most `days` days ago."""
    rows = users[1].features[AGE] <= days
    labelled = users[1]
    return users[0][rows], LabelledUsers(labelled.features[rows], labelled.future_spend[rows], labelled.purchased[rows])


def _cohort(
    users: Mapping[date, Users], customers: Mapping[date, Users], days: Iterable[date], names: list[str]
) -> Cohort:
    """Combine the users of several snapshots; amounts in multiples of each snapshot's mean spend per customer."""
    snapshots = [in_customers(users[day][1], customers[day][1]) for day in days]
    labelled = LabelledUsers(
        pd.concat([snapshot.features[names] for snapshot in snapshots], ignore_index=True),
        pd.concat([snapshot.future_spend for snapshot in snapshots], ignore_index=True),
        pd.concat([snapshot.purchased for snapshot in snapshots], ignore_index=True).astype(bool),
    )
    return Cohort(labelled, pd.concat([users[day][0] for day in days]).nunique())
