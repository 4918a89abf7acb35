"""Reasons for a user's score in a marketer's words, independent of the model behind it."""

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
from models.score.wording import can_stand_in, kind_of, longest_first, say, stand_in


@dataclass
class Reasons:
    """Exact tree Shapley values (TreeSHAP) of a small LightGBM surrogate that imitates the scores.

    Attributes:
        phrases: one phrase per feature with a place for the value, such as "spent {value:,.0f} in the last 28 days"; a
            feature without a phrase is never a reason.
        top: maximum number of reasons per user.
        reported: for each number, the feature whose phrase stands in for it where `can_stand_in` allows; learned. None
            in models older than it.

    >>> features = pd.DataFrame({"spend_28d": np.arange(100.0)})
    >>> phrases = {"spend_28d": "spent {value:,.0f} in the last 28 days"}
    >>> reasons = Reasons(phrases, top=1).fit(features, np.arange(100.0))
    >>> reasons.explain(features.tail(1))
    ['spent 99 in the last 28 days, more than 99 % of shoppers']
    """

    phrases: Mapping[str, str]
    top: int
    seed: int = 0
    threads: int = 1
    encoder: TreeEncoder = field(default_factory=TreeEncoder, init=False)
    surrogate: lightgbm.Booster | None = field(default=None, init=False)
    grids: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False)
    reported: Mapping[str, str] | None = field(default=None, init=False)

    def fit(self, features: pd.DataFrame, score: NDArray[np.float64]) -> Self:
        """Fit the surrogate to the `score` of the reference population; without variation there is none to fit."""
        inputs = self.encoder.fit(features).transform(features)
        numbers = [name for name in self.encoder.columns if name not in self.encoder.categories]
        self.grids = {name: quantile_grid(features[name]) for name in numbers}
        self.reported = {name: stand_in(features[numbers], name, self.phrases) for name in numbers}
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
        """Reasons of each user, strongest first, joined by "; "; empty where no reason supports the score.

        A user with an above-average score gets what raised it, a user below the average what lowered it. Windows of one
        measure are summed, and the strongest of them gives the phrase. Each reason is of another kind, see `KINDS`:
        three ways to say that a user spends much tell one thing.
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
        """Effect of each feature on the score of these users, largest first.

        Returns:
            feature, effect (mean absolute Shapley value, in points of the score) and direction (Spearman's correlation
            of value and effect: 1 where more means a higher score; NaN for categories and constants). No rows without a
            surrogate.
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
        """R² and Spearman's correlation of the surrogate with the score that it imitates; 1 and 1 for a constant score.

        Measured on every other user, with a surrogate fitted to the rest, so on users that it has not seen.
        """
        if np.ptp(score) == 0:
            return 1.0, 1.0
        held_out = np.arange(len(features)) % 2 == 1
        surrogate = Reasons({}, self.top, self.seed, self.threads).fit(features[~held_out], score[~held_out])
        if surrogate.surrogate is None or np.ptp(score[held_out]) == 0:
            return 0.0, 0.0
        imitated = np.asarray(
            surrogate.surrogate.predict(surrogate.encoder.transform(features[held_out]), num_threads=self.threads)
        )
        return r_squared(score[held_out], imitated), rank_correlation(score[held_out], imitated)

    def _effects(self, surrogate: lightgbm.Booster, features: pd.DataFrame) -> NDArray[np.float64]:
        """Points of the score that each column gives each user; shape (users, columns)."""
        inputs = self.encoder.transform(features)
        return np.asarray(surrogate.predict(inputs, pred_contrib=True, num_threads=self.threads))[:, :-1]

    def _strongest(self, surrogate: lightgbm.Booster, features: pd.DataFrame) -> NDArray[np.intp]:
        """Positions of the reasons' columns; shape (users, top), -1 for none."""
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
        strongest = np.column_stack([np.array(p)[effects[:, p].argmax(axis=1)] for p in measures.values()])
        totals, strongest = self._one_of_each_kind(list(measures), totals, strongest)
        chosen = np.full((len(features), self.top), -1)
        for rank, group in enumerate(np.argsort(-totals, axis=1, kind="stable")[:, : self.top].T):
            chosen[:, rank] = np.where(totals[users, group] > 0, strongest[users, group], -1)
        return chosen

    @staticmethod
    def _one_of_each_kind(
        measures: list[str], totals: NDArray[np.float64], strongest: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Keep the strongest measure of each kind; shapes (users, measures) become (users, kinds)."""
        kinds: dict[str, list[int]] = {}
        for place, measure in enumerate(measures):
            kinds.setdefault(kind_of(measure), []).append(place)
        best = [np.array(places)[totals[:, places].argmax(axis=1)] for places in kinds.values()]
        places, users = np.column_stack(best), np.arange(len(totals))[:, None]
        return totals[users, places], strongest[users, places]

    def _hand_over(self, effects: NDArray[np.float64], features: pd.DataFrame) -> None:
        """Move effects to the columns that stand in, longest window first, so that moved effects move on."""
        columns = self.encoder.columns
        for name in longest_first(self.reported or {}):
            column = (self.reported or {})[name]
            if column != name:
                moved = effects[:, columns.index(name)] * can_stand_in(features[column], instead_of=features[name])
                effects[:, columns.index(column)] += moved
                effects[:, columns.index(name)] -= moved

    def _texts(self, name: str, values: pd.Series) -> list[str]:
        phrase, measure = self.phrases[name], measure_of(name)
        if name in self.encoder.categories:
            return [phrase.format(value=value) for value in values]
        below, above = shares(self.grids[name], values.to_numpy(dtype=np.float64))
        return [say(phrase, measure, v, b, a) for v, b, a in zip(values, below, above, strict=True)]
