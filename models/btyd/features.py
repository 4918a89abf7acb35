"""Predictions of a buy-till-you-die model as features for learners of other families."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pandas as pd
from typing_extensions import override

from models.btyd.model import BuyTillYouDie
from models.btyd.purchase_history import Floats
from models.protocol import LabelledUsers, SpendModel

COLUMNS = {
    "spend": ("btyd_spend",),
    "all": ("btyd_spend", "btyd_purchases", "btyd_spend_per_purchase", "btyd_probability", "btyd_alive"),
}
"""Sets of BTYD columns that learners may see: expected spend in the label window, and beside it expected purchase days,
expected spend per purchase day, P(any purchase) and P(alive).

Each of the parts shifts in its own way while the history grows; only their product stays comparable.
"""


@dataclass
class WithBtydFeatures(SpendModel):
    """A learner that sees some of `COLUMNS` beside the features.

    The columns come from a `process` fitted to the training set alone, which ships with the learner. It is fitted to
    the same labels as the learner, but its few population parameters memorise no user's label.

    Attributes:
        learner: model of any family that reads the columns it is given.
        horizon_days: length of the labels.
        btyd_features: a name in `COLUMNS`.
        process: a name in `models.btyd.model.PROCESSES`.
        btyd: fitted BTYD model; learned.

    Raises:
        ValueError: `btyd_features` is unknown.

    >>> from models.families.baselines import Mean
    >>> WithBtydFeatures(Mean(), horizon_days=28, btyd_features="some")
    Traceback (most recent call last):
    ValueError: Expected btyd_features to be one of none, spend, all; found 'some'.
    """

    learner: SpendModel
    horizon_days: int
    btyd_features: str = "spend"
    process: str = "pareto_nbd"
    btyd: BuyTillYouDie = field(init=False)

    def __post_init__(self) -> None:
        if self.btyd_features not in COLUMNS:
            raise ValueError(
                f"Expected btyd_features to be one of none, {', '.join(COLUMNS)}; found '{self.btyd_features}'."
            )

    @override
    def fit(self, training: LabelledUsers, validation: LabelledUsers | None = None) -> Self:
        self.btyd = BuyTillYouDie(self.process, self.horizon_days).fit(training)
        self.learner.fit(self._with_btyd(training), None if validation is None else self._with_btyd(validation))
        return self

    @override
    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        return self.learner.predict(self._with_columns(features))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any hyperparameter
        """Delegate hyperparameters to the learner."""
        if "learner" not in vars(self):  # during unpickling
            raise AttributeError(name)
        return getattr(self.learner, name)

    def _with_btyd(self, users: LabelledUsers) -> LabelledUsers:
        return replace(users, features=self._with_columns(users.features))

    def _with_columns(self, features: pd.DataFrame) -> pd.DataFrame:
        columns: dict[str, Callable[[], Floats]] = {
            "btyd_spend": lambda: self.btyd.expected_spend(features, self.horizon_days),
            "btyd_purchases": lambda: self.btyd.expected_purchases(features, self.horizon_days),
            "btyd_spend_per_purchase": lambda: self.btyd.spend_per_purchase(features),
            "btyd_probability": lambda: self.btyd.purchase_probability(features, self.horizon_days),
            "btyd_alive": lambda: self.btyd.alive(features),
        }
        return features.assign(**{name: columns[name]() for name in COLUMNS[self.btyd_features]})
