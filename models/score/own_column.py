"""Reason for the score of a baseline: the one column that it ranks users by, and nothing else."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.encoding import measure_of, select
from models.measures.metrics import r_squared, rank_correlation
from models.score.percentiles import percentile_score, quantile_grid, shares
from models.score.wording import say


@dataclass
class OwnColumn:
    """Stands in for `models.score.reasons.Reasons` where a column is the ranking.

    Attributes:
        column: the column.
        phrase: its phrase with a place for the value, see `Reasons`; empty: it is never told.
        grid: quantiles of the column in the reference population; learned.

    >>> features = pd.DataFrame({"spend_total": np.arange(100.0)})
    >>> reason = OwnColumn("spend_total", "has spent {value:,.0f} in total").fit(features, np.arange(100.0))
    >>> reason.explain(features.tail(1))
    ['has spent 99 in total, more than 99 % of shoppers']
    """

    column: str
    phrase: str
    grid: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), init=False)

    def fit(self, features: pd.DataFrame, score: NDArray[np.float64]) -> Self:  # noqa: ARG002 - like `Reasons.fit`
        """Learn how the column is distributed in the reference population; the score needs no imitation."""
        self.grid = quantile_grid(features[self.column])
        return self

    def explain(self, features: pd.DataFrame) -> list[str]:
        """The column's value of each user in words; empty where it is unknown."""
        values = select(features, [self.column])[self.column].to_numpy(dtype=np.float64)
        if not self.phrase:
            return [""] * len(values)
        measure, (below, above) = measure_of(self.column), shares(self.grid, values)
        said = zip(values, below, above, strict=True)
        return [say(self.phrase, measure, v, b, a) if np.isfinite(v) else "" for v, b, a in said]

    def importances(self, features: pd.DataFrame) -> pd.DataFrame:
        """Effect of the column on the score of these users; columns as in `Reasons.importances`, one row."""
        effect = float(np.abs(self._percentiles(features) - 50).mean()) if len(features) else 0.0
        return pd.DataFrame({"feature": [self.column], "effect": [effect], "direction": [1.0]})

    def fidelity(self, features: pd.DataFrame, score: NDArray[np.float64]) -> tuple[float, float]:
        """R² and Spearman's correlation of the column's percentile with the score."""
        if np.ptp(score) == 0:
            return 1.0, 1.0
        imitated = self._percentiles(features)
        return r_squared(score, imitated), rank_correlation(score, imitated)

    def _percentiles(self, features: pd.DataFrame) -> NDArray[np.float64]:
        return percentile_score(self.grid, features[self.column].fillna(0).to_numpy(dtype=np.float64))
