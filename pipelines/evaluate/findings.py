"""Analyse the challenger beyond its measures: tables for the model card and for MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import select
from models.measures import fairness
from models.measures.metrics import measure
from models.measures.permutation import columns_by_measure, permutation_importance
from models.protocol import LabelledUsers
from pipelines.evaluate.compared_models import ComparedModels
from pipelines.results.training import Split
from pipelines.retraining.level import backtest_level
from pipelines.settings import Settings

PROFILE = ("age_band", "gender", "region")
"""Profile columns; the model must serve each of their values equally well."""

EXPLAINED_USERS = 5_000
"""Users in the random sample over which importances are averaged."""


@dataclass(frozen=True)
class Findings:
    """Findings about the challenger on the test snapshot.

    Attributes:
        deciles: see `deciles`.
        fairness: see `models.measures.fairness.compare`.
        importances: see `Reasons.importances`.
        permutation: see `models.measures.permutation.permutation_importance`.
        surrogate_r2, surrogate_spearman: see `Reasons.fidelity`.
        spent: true total spend of the test users, in money.
        level_backtest: see `models.level.forecast.backtest`.
        newcomers: number of users who first bought less than snapshots.min_history_days before the snapshot, and their
            ngini, bias and auc; empty without such users.
        largest_share: largest share of all true spend by one user.
    """

    deciles: pd.DataFrame
    fairness: pd.DataFrame
    importances: pd.DataFrame
    permutation: pd.DataFrame
    surrogate_r2: float
    surrogate_spearman: float
    spent: float
    level_backtest: pd.DataFrame
    newcomers: Mapping[str, float]
    largest_share: float

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables to log, by name."""
        names = ("deciles", "fairness", "importances", "permutation")
        return {name: getattr(self, name) for name in names}


def find(settings: Settings, split: Split, compared: ComparedModels) -> Findings:
    """Analyse the challenger's predictions for the test users."""
    model, users, predictions, seed = compared.model, compared.users, compared.challenger, settings.training.seed
    sample = users.features.sample(min(len(users), EXPLAINED_USERS), random_state=seed)
    r2, spearman = model.reasons.fidelity(users.features, predictions["score"].to_numpy())
    inputs = select(users.features, model.feature_names)
    spend = users.future_spend.clip(lower=0)
    return Findings(
        deciles=deciles(users.future_spend, predictions),
        fairness=fairness.compare(
            users.future_spend,
            users.purchased,
            predictions,
            profile_groups(users.features, settings.promotion.min_slice_users),
            tier_shares=model.tier_shares,
            min_users=settings.promotion.min_slice_users,
        ),
        importances=model.reasons.importances(sample),
        permutation=permutation_importance(
            lambda features: model.blend(features)["blend"].to_numpy(),
            inputs,
            users.future_spend,
            columns_by_measure(inputs),
            seed=seed,
        ),
        surrogate_r2=r2,
        surrogate_spearman=spearman,
        spent=float(users.future_spend.sum()),
        level_backtest=backtest_level(settings, split.test),
        newcomers=_newcomers(settings, users, predictions),
        largest_share=float(spend.max() / spend.sum()) if spend.sum() > 0 else 0.0,
    )


def profile_groups(features: pd.DataFrame, min_users: int = 1) -> dict[str, NDArray[np.bool_]]:
    """Masks of the users of each value of each available profile column, named like "region=105".

    Skip values with fewer than `min_users` users: a shop may have ten thousand areas.
    """
    groups = {}
    for column in (name for name in PROFILE if name in features):
        users = features[column].value_counts()
        for value in sorted(users[users >= min_users].index):
            groups[f"{column}={value}"] = (features[column] == value).to_numpy()
    return groups


def deciles(future_spend: pd.Series, predictions: pd.DataFrame) -> pd.DataFrame:
    """Summarise ten equal groups of users, lowest expected spend first.

    Returns:
        decile, users, mean_expected and mean_spend (money), and inside: share of users with spend (net spend below 0
        counts as 0) inside their interval.
    """
    frame = predictions[["expected_spend", "spend_low", "spend_high"]].assign(spend=future_spend)
    clipped = frame["spend"].clip(lower=0)
    frame["inside"] = (clipped >= frame["spend_low"]) & (clipped <= frame["spend_high"])
    order = np.argsort(frame["expected_spend"].to_numpy(), kind="stable")
    rows: list[dict[str, Any]] = []
    for part in (frame.iloc[places] for places in np.array_split(order, 10) if len(places)):
        means = {"mean_expected": part["expected_spend"].mean(), "mean_spend": part["spend"].mean()}
        rows.append({"decile": len(rows) + 1, "users": len(part), **means, "inside": part["inside"].mean()})
    return pd.DataFrame(rows)


def _newcomers(settings: Settings, users: LabelledUsers, predictions: pd.DataFrame) -> dict[str, float]:
    if "T" not in users.features:
        return {}
    new = (users.features["T"] < settings.snapshots.min_history_days).to_numpy()
    if not new.any():
        return {}
    rows = predictions[new]
    measures = measure(
        users.future_spend[new], users.purchased[new], rows["expected_spend"], rows["purchase_probability"]
    )
    return {"users": int(new.sum()), **{name: measures[name] for name in ("ngini", "bias", "auc")}}
