"""Why a user has the score they have, in a marketer's words, whatever the model behind it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import TreeEncoder, select
from models.lightgbm_models import repeatable
from models.percentiles import quantile_grid, shares

_WINDOW = re.compile(r"_\d+d$")
MOST = 0.5
"""Share of shoppers from which a comparison with them is worth telling."""

UNKNOWN = "missing"
"""The category of a user of whom it isn't known: no reason for anything."""


@dataclass
class Reasons:
    """Exact tree Shapley values (TreeSHAP) of a small LightGBM model that imitates the scores.

    Attributes:
        phrases: a phrase per feature with a place for the value, such as "spent {value:,.0f} in the last 28 days";
            a feature without one is never a reason.
        top: how many reasons a user gets at most.
    """

    phrases: Mapping[str, str]
    top: int
    seed: int = 0
    threads: int = 1
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    surrogate: lightgbm.Booster | None = field(default=None, init=False)
    grids: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False)

    def fit(self, features: pd.DataFrame, score: NDArray[np.float64]) -> Self:
        """Imitate the `score` of the reference population; where all score alike, there is nothing to explain."""
        inputs = self.encoder.fit(features).transform(features)
        numbers = [name for name in self.encoder.columns if name not in self.encoder.categories]
        self.grids = {name: quantile_grid(features[name]) for name in numbers}
        if np.ptp(score) > 0:
            parameters: dict[str, Any] = {
                "objective": "regression",
                "learning_rate": 0.15,
                "num_leaves": 15,
                "min_data_in_leaf": 20,
                **repeatable(self.seed, self.threads),
            }
            table = lightgbm.Dataset(inputs, score, params=parameters)
            self.surrogate = lightgbm.train(parameters, table, num_boost_round=60)
        return self

    def explain(self, features: pd.DataFrame) -> list[str]:
        """The reasons of each user, strongest first, joined by "; "; empty where nothing speaks for the score.

        A user above the average score is told what raised it, one below what lowered it. Windows of one measure
        count together and the strongest of them speaks for all.
        """
        texts = np.full((len(features), self.top), "", dtype=object)
        if self.surrogate is not None and len(features):
            chosen = self._strongest(self.surrogate, features)
            for position in np.unique(chosen[chosen >= 0]):
                name = self.encoder.columns[position]
                rows, ranks = np.nonzero(chosen == position)
                texts[rows, ranks] = self._texts(name, features[name].iloc[rows])
        return ["; ".join(filter(None, row)) for row in texts]

    def _strongest(self, surrogate: lightgbm.Booster, features: pd.DataFrame) -> NDArray[np.intp]:
        """Positions of the columns that are the reasons; shape (users, top), -1 for none."""
        columns, users = self.encoder.columns, np.arange(len(features))
        inputs = self.encoder.transform(features)
        effects = np.asarray(surrogate.predict(inputs, pred_contrib=True, num_threads=self.threads))[:, :-1]
        effects *= np.where(effects.sum(axis=1) >= 0, 1, -1)[:, None]
        known = select(features, columns)
        effects[(known.isna() | (known == UNKNOWN)).to_numpy()] = 0
        measures: dict[str, list[int]] = {}
        for position, name in enumerate(columns):
            if name in self.phrases:
                measures.setdefault(_WINDOW.sub("", name), []).append(position)
        if not measures:
            return np.full((len(features), self.top), -1)
        totals = np.column_stack([effects[:, positions].sum(axis=1) for positions in measures.values()])
        speakers = np.column_stack([np.array(p)[effects[:, p].argmax(axis=1)] for p in measures.values()])
        chosen = np.full((len(features), self.top), -1)
        for rank, group in enumerate(np.argsort(-totals, axis=1, kind="stable")[:, : self.top].T):
            chosen[:, rank] = np.where(totals[users, group] > 0, speakers[users, group], -1)
        return chosen

    def _texts(self, name: str, values: pd.Series) -> list[str]:
        phrase = self.phrases[name]
        if name in self.encoder.categories:
            return [phrase.format(value=value) for value in values]
        below, above = shares(self.grids[name], values.to_numpy(dtype=np.float64))
        return [phrase.format(value=v) + standing(b, a) for v, b, a in zip(values, below, above, strict=True)]


def standing(below: float, above: float) -> str:
    """How a value compares, from the shares of shoppers below and above it."""
    word, share = ("more", below) if below >= above else ("less", above)
    if share < MOST:
        return ", like the typical shopper"
    return f", {word} than {min(int(100 * share), 99)} % of shoppers"
