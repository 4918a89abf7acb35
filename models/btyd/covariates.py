"""Time-invariant covariates of customers in BG/NBD and Pareto/NBD.

Fader & Hardie (2007), Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models. Covariates z scale
the parameters of each customer: alpha = alpha0 e^(-g1·z) and beta = beta0 e^(-g2·z) in Pareto/NBD, so that positive
coefficients mean buying more often and leaving sooner; alpha = alpha0 e^(-g1·z), a = a0 e^(g2·z) and b = b0 e^(g3·z) in
BG/NBD. The shapes r and s are common to all customers.
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
"""Profile columns used as covariates where present; they hardly ever change, as the models require.

The size of the first order was tried too and ranks users by spend worse: see benchmarks/btyd.md.
"""

LIMIT = 2.0
"""Largest absolute coefficient: membership in a category changes a parameter by a factor of e² at most."""

TOLERANCE = 1e-7
"""Relative tolerance of the loss; a tighter one gives the same predictions."""


@dataclass(frozen=True)
class Effects:
    """A purchase process, and the effects of covariates on its parameters.

    Attributes:
        model: process of a customer whose encoded covariates are all 0.
        coefficients: g of each affected parameter, with the paper's signs; shape (encoded covariates,).
        signs: sign with which g·z is added to the logarithm of each parameter.
        encoder: encoder of the covariates.
    """

    model: Any
    coefficients: dict[str, Floats]
    signs: dict[str, int]
    encoder: DenseEncoder

    def of(self, features: pd.DataFrame) -> Any:  # noqa: ANN401 - the process's model
        """Build the process with individual parameters for each of these customers."""
        z = self.encoder.transform(covariates(features))
        scaled = {
            name: getattr(self.model, name) * np.exp(self.signs[name] * (z @ gamma))
            for name, gamma in self.coefficients.items()
        }
        return replace(self.model, **scaled)


def covariates(features: pd.DataFrame) -> pd.DataFrame:
    """Select the columns of `COVARIATES` that are present.

    >>> covariates(pd.DataFrame({"region": ["north"], "T": [30.0]})).columns.tolist()
    ['region']
    """
    return features[[name for name in COVARIATES if name in features]]


def fit_effects(
    process: Process,
    common: Any,  # noqa: ANN401 - the process's model
    features: pd.DataFrame,
    history: PurchaseHistory,
    came_back: NDArray[np.bool_],
    label_days: float,
    penalty: float,
    shrinkage: float,
) -> Effects:
    """Fit parameters and coefficients jointly by maximum likelihood.

    Args:
        process: the purchase process.
        common: the process fitted without covariates; the fit starts there.
        features: features with at least one of `COVARIATES`.
        history: purchase histories, in days.
        came_back: True for customers who bought in the `label_days` after the history.
        label_days: length of the labels; 0 if there are none.
        penalty: weight of the squared logarithms of the parameters.
        shrinkage: weight of the squared coefficients, which pulls categories together.
    """
    encoder = DenseEncoder().fit(covariates(features))
    z = encoder.transform(covariates(features))
    observed = observe(history, came_back, label_days, z)
    units = np.where(process.is_time, observed.unit, 1.0)
    fitted, gamma = descend_with_effects(process, np.array(astuple(common)) / units, observed, penalty, shrinkage)
    names = [parameter.name for parameter in fields(common)]
    affected = [at for at, sign in enumerate(process.effects) if sign]
    return Effects(
        process.model(*(fitted * units).tolist()),
        {names[at]: row for at, row in zip(affected, gamma, strict=True)},
        {names[at]: process.effects[at] for at in affected},
        encoder,
    )


def descend_with_effects(
    process: Process, start: Floats, observed: Observed, penalty: float, shrinkage: float
) -> tuple[Floats, Floats]:
    """Minimise the loss; return parameters, and coefficients of shape (affected parameters, covariates).

    The descent centres covariates, so its starting parameters are those of the average customer.

    Args:
        process: the purchase process.
        start: parameters, with times in units of `observed.unit`.
        observed: observations with covariates.
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
    """Mean negative log-likelihood and its gradient by the logarithms of the parameters, then by the coefficients."""
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
