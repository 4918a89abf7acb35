"""What is known of customers beside when they bought, in the models of when they buy.

Fader & Hardie (2007), Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models. Covariates z scale
the parameters of each customer: alpha = alpha0 e^(-g1·z) and beta = beta0 e^(-g2·z) in Pareto/NBD, so that positive
coefficients mean to buy more often and to leave sooner; alpha = alpha0 e^(-g1·z), a = a0 e^(g2·z) and b = b0 e^(g3·z)
in BG/NBD. The shapes r and s are those of all.
"""

from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.btyd.maximum_likelihood import BOUNDS, Observed, Process, descend, loss, observe
from models.btyd.purchase_history import Floats, PurchaseHistory
from models.encoding import DenseEncoder

COVARIATES = ("age_band", "gender", "occupation", "region")
"""What a user is, so far as the features have it; it hardly ever changes, as the models want it.

The size of the first order was tried too, and makes the order of users by spend worse: see benchmarks/btyd.md.
"""

LIMIT = 2.0
"""Of a coefficient's size: being of a category changes a parameter by e² at most."""

TOLERANCE = 1e-7
"""Of the loss; a descent that ends later ends with the same predictions."""


@dataclass(frozen=True)
class Effects:
    """A model of when customers buy, and how covariates change it.

    Attributes:
        model: of a customer whose encoded covariates are all 0.
        coefficients: g of each parameter that has one, with the paper's signs; shape (encoded covariates,).
        signs: of what g·z adds to the logarithm of a parameter.
        encoder: of the covariates.
    """

    model: Any
    coefficients: dict[str, Floats]
    signs: dict[str, int]
    encoder: DenseEncoder

    def of(self, features: pd.DataFrame) -> Any:  # noqa: ANN401 - the process's model
        """The model with the parameters of each of these customers."""
        z = self.encoder.transform(covariates(features))
        scaled = {
            name: getattr(self.model, name) * np.exp(self.signs[name] * (z @ gamma))
            for name, gamma in self.coefficients.items()
        }
        return replace(self.model, **scaled)


def covariates(features: pd.DataFrame) -> pd.DataFrame:
    """Those that the features have."""
    return features[[name for name in COVARIATES if name in features]]


def fit_effects(
    process: Process,
    alike: Any,  # noqa: ANN401 - the process's model
    features: pd.DataFrame,
    history: PurchaseHistory,
    came_back: NDArray[np.bool_],
    label_days: float,
    penalty: float,
    shrinkage: float,
) -> Effects:
    """Fit parameters and coefficients together by maximum likelihood.

    Args:
        process: the model of when customers buy.
        alike: the same fitted without covariates; the fit starts there.
        features: those of which `covariates` takes its own; at least one.
        history: in days.
        came_back: whether the customer bought in the `label_days` after the history.
        label_days: 0 if there are no labels.
        penalty: of the squares of the parameters' logarithms.
        shrinkage: of the squares of the coefficients, which pulls categories together.
    """
    encoder = DenseEncoder().fit(covariates(features))
    z = encoder.transform(covariates(features))
    observed = observe(history, came_back, label_days, z)
    units = np.where(process.is_time, observed.unit, 1.0)
    fitted, gamma = descend_with_effects(process, np.array(astuple(alike)) / units, observed, penalty, shrinkage)
    names = [parameter.name for parameter in fields(alike)]
    acted_on = [at for at, sign in enumerate(process.effects) if sign]
    return Effects(
        process.model(*(fitted * units).tolist()),
        {names[at]: row for at, row in zip(acted_on, gamma, strict=True)},
        {names[at]: process.effects[at] for at in acted_on},
        encoder,
    )


def descend_with_effects(
    process: Process, start: Floats, observed: Observed, penalty: float, shrinkage: float
) -> tuple[Floats, Floats]:
    """The parameters and the coefficients, shape (parameters with an effect, covariates), of the least loss.

    The descent takes covariates from their means: the parameters it starts from are those of the average customer.

    Args:
        process: the model.
        start: parameters, with times in `observed.unit`.
        observed: with covariates.
        penalty: see `fit_effects`.
        shrinkage: see `fit_effects`.
    """
    means, signs = observed.share @ observed.covariates, np.array(process.effects)
    centred = observed._replace(covariates=observed.covariates - means)
    size, effects = len(start), np.count_nonzero(signs)
    end, _ = descend(
        lambda point: loss_with_effects(process, point, centred),
        np.concatenate([np.log(start), np.zeros(effects * len(means))]),
        [BOUNDS] * size + [(-LIMIT, LIMIT)] * (effects * len(means)),
        np.array([penalty] * size + [shrinkage] * (effects * len(means))),
        TOLERANCE,
    )
    logs, coefficients = end[:size], end[size:].reshape(effects, -1)
    logs[signs != 0] -= signs[signs != 0] * (coefficients @ means)
    return np.exp(logs), coefficients


def loss_with_effects(process: Process, point: Floats, observed: Observed) -> tuple[float, Floats]:
    """Mean negative log-likelihood and its gradient, by the logarithms of the parameters and then the coefficients."""
    signs = np.array(process.effects)
    logs, gamma = point[: len(signs)], point[len(signs) :].reshape(np.count_nonzero(signs), -1)
    shifts = iter(signs[signs != 0, None] * (gamma @ observed.covariates.T))
    parameters = [
        np.exp(log + next(shifts)) if sign else float(np.exp(log)) for log, sign in zip(logs, signs, strict=True)
    ]
    value, gradient = loss(process, parameters, observed)
    by_log = np.array([row * part for row, part in zip(gradient, parameters, strict=True)])
    by_gamma = signs[signs != 0, None] * (by_log[signs != 0] @ observed.covariates)
    return value, np.concatenate([by_log.sum(axis=1), by_gamma.ravel()])
