"""Why a user has the score they have, in a marketer's words, whatever the model behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.schema import MISSING
from models.encoding import TreeEncoder, measure_of, select
from models.measures.metrics import r_squared, rank_correlation
from models.repeatable import repeatable
from models.score.percentiles import quantile_grid, shares
from models.score.wording import longest_first, say, tells_of, told_instead


@dataclass
class Reasons:
    """Exact tree Shapley values (TreeSHAP) of a small LightGBM model that imitates the scores.

    Attributes:
        phrases: a phrase per feature with a place for the value, such as "spent {value:,.0f} in the last 28 days";
            a feature without one is never a reason.
        top: how many reasons a user gets at most.
        told: of each number the feature whose phrase is told, of the users of whom it is true (see
            `wording.tells_of`); learned. None in models of before it was learned.
    """

    phrases: Mapping[str, str]
    top: int
    seed: int = 0
    threads: int = 1
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    surrogate: lightgbm.Booster | None = field(default=None, init=False)
    grids: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False)
    told: Mapping[str, str] | None = field(default=None, init=False)

    def fit(self, features: pd.DataFrame, score: NDArray[np.float64]) -> Self:
        """Imitate the `score` of the reference population; where all score alike, there is nothing to explain."""
        inputs = self.encoder.fit(features).transform(features)
        numbers = [name for name in self.encoder.columns if name not in self.encoder.categories]
        self.grids = {name: quantile_grid(features[name]) for name in numbers}
        self.told = {name: told_instead(features[numbers], name, self.phrases) for name in numbers}
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

    def importances(self, features: pd.DataFrame) -> pd.DataFrame:
        """How much each feature moves the score of these users, largest first.

        Returns:
            feature, effect (mean absolute Shapley value, in points of the score) and direction (Spearman's correlation
            of value and effect: 1 where more means a higher score; NaN for categories and constants). No rows where
            all score alike.
        """
        rows = []
        if self.surrogate is not None and len(features):
            effects = self._effects(self.surrogate, features)
            for name, effect in zip(self.encoder.columns, effects.T, strict=True):
                known = features[name].notna().to_numpy() & (name not in self.encoder.categories)
                values = features[name].to_numpy()[known]
                constant = not known.any() or np.ptp(values) == 0 or np.ptp(effect[known]) == 0
                direction = np.nan if constant else rank_correlation(values, effect[known])
                rows.append({"feature": name, "effect": float(np.abs(effect).mean()), "direction": direction})
        table = pd.DataFrame(rows, columns=["feature", "effect", "direction"])
        return table.sort_values("effect", ascending=False, kind="stable", ignore_index=True)

    def fidelity(self, features: pd.DataFrame, score: NDArray[np.float64]) -> tuple[float, float]:
        """R² and Spearman's correlation of the trees that explain with the score that they imitate.

        Measured on every other user by trees that learned from the rest: how well they follow users they never saw.
        1 and 1 where all score alike.
        """
        if np.ptp(score) == 0:
            return 1.0, 1.0
        held = np.arange(len(features)) % 2 == 1
        other = Reasons({}, self.top, self.seed, self.threads).fit(features[~held], score[~held])
        if other.surrogate is None or np.ptp(score[held]) == 0:
            return 0.0, 0.0
        said = np.asarray(other.surrogate.predict(other.encoder.transform(features[held]), num_threads=self.threads))
        return r_squared(score[held], said), rank_correlation(score[held], said)

    def _effects(self, surrogate: lightgbm.Booster, features: pd.DataFrame) -> NDArray[np.float64]:
        """Points of the score that each column gives each user; shape (users, columns)."""
        inputs = self.encoder.transform(features)
        return np.asarray(surrogate.predict(inputs, pred_contrib=True, num_threads=self.threads))[:, :-1]

    def _strongest(self, surrogate: lightgbm.Booster, features: pd.DataFrame) -> NDArray[np.intp]:
        """Positions of the columns that are the reasons; shape (users, top), -1 for none."""
        columns, users = self.encoder.columns, np.arange(len(features))
        effects = self._effects(surrogate, features)
        effects *= np.where(effects.sum(axis=1) >= 0, 1, -1)[:, None]
        known = select(features, columns)
        effects[(known.isna() | (known == MISSING)).to_numpy()] = 0
        self._hand_over(effects, known)
        measures: dict[str, list[int]] = {}
        for position, name in enumerate(columns):
            if self.phrases.get(name):
                measures.setdefault(measure_of(name), []).append(position)
        if not measures:
            return np.full((len(features), self.top), -1)
        totals = np.column_stack([effects[:, positions].sum(axis=1) for positions in measures.values()])
        speakers = np.column_stack([np.array(p)[effects[:, p].argmax(axis=1)] for p in measures.values()])
        chosen = np.full((len(features), self.top), -1)
        for rank, group in enumerate(np.argsort(-totals, axis=1, kind="stable")[:, : self.top].T):
            chosen[:, rank] = np.where(totals[users, group] > 0, speakers[users, group], -1)
        return chosen

    def _hand_over(self, effects: NDArray[np.float64], features: pd.DataFrame) -> None:
        """Move each user's effects to the columns that are told of that user; what one receives it hands on."""
        columns = self.encoder.columns
        for name in longest_first(self.told or {}):
            told = (self.told or {})[name]
            if told != name:
                handed = effects[:, columns.index(name)] * tells_of(features[told], instead_of=features[name])
                effects[:, columns.index(told)] += handed
                effects[:, columns.index(name)] -= handed

    def _texts(self, name: str, values: pd.Series) -> list[str]:
        phrase, measure = self.phrases[name], measure_of(name)
        if name in self.encoder.categories:
            return [phrase.format(value=value) for value in values]
        below, above = shares(self.grids[name], values.to_numpy(dtype=np.float64))
        return [say(phrase, measure, v, b, a) for v, b, a in zip(values, below, above, strict=True)]
