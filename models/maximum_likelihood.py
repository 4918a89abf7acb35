"""How buy-till-you-die models are fitted: to histories, and to whether a purchase followed in the label window."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.purchase_history import Floats, PurchaseHistory

BOUNDS = (-8.0, 8.0)
"""Of the logarithm of every parameter; near 0 in real data if times are in mean tenures and money in mean spend."""

MAX_ROWS = 50_000
"""Rows that a fit looks at; a handful of parameters need no more, and so the time of a fit is bounded."""

LogLikelihood = Callable[[Floats, PurchaseHistory], tuple[Floats, Floats]]
"""Of parameters and histories: the log-likelihood of each history, and its gradient, shape (parameters, histories)."""


def every_nth(rows: int) -> slice:
    """Chooses all of the rows, or evenly spaced ones if they are more than `MAX_ROWS`."""
    return slice(None, None, max(-(-rows // MAX_ROWS), 1))


def minimise(
    loss: Callable[[Floats], tuple[float, Floats]], starts: Sequence[Sequence[float]], penalty: float
) -> Floats:
    """The positive parameters with the least penalised loss, by bounded L-BFGS on their logarithms.

    Args:
        loss: of the parameters; returns the loss and its gradient by each parameter.
        starts: parameters to start from; the best end is taken.
        penalty: weight of the sum of squared logarithms: it pulls towards 1, and decides where data do not.
    """

    def penalised(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        value, gradient = loss(parameters)
        return value + penalty * float(logs @ logs), gradient * parameters + 2 * penalty * logs

    ends = [
        minimize(penalised, np.log(start), jac=True, method="L-BFGS-B", bounds=[BOUNDS] * len(start))
        for start in starts
    ]
    return np.exp(np.asarray(min(ends, key=lambda end: end.fun).x))


def fit_process(
    log_likelihood: LogLikelihood,
    starts: Sequence[Sequence[float]],
    history: PurchaseHistory,
    came_back: NDArray[np.bool_],
    label_days: float,
    penalty: float,
) -> tuple[list[float], float]:
    """Fit a model of when customers buy.

    A label adds what is known of the days after the history. If nothing was bought in them, the history just goes on to
    their end; if something was, what is left of the likelihood of the history alone.

    Args:
        log_likelihood: of the model, whose parameters are positive.
        starts: see `minimise`.
        history: of the customers, in days.
        came_back: whether the customer bought in the `label_days` after the history.
        label_days: 0 if there are no labels; then nobody came back.
        penalty: see `minimise`.

    Returns:
        the parameters, in a unit of time that suits the data, and that unit in days.
    """
    rows = pd.DataFrame({**history._asdict(), "came_back": came_back})[every_nth(len(came_back))]
    counts = rows.groupby(list(rows), sort=False).size()
    unit = max(float(rows["T"].mean()), 1.0)
    x, recency, tenure, back = counts.index.to_frame().to_numpy(dtype=np.float64).T
    back = back.astype(bool)
    until_label_end = PurchaseHistory(x, recency / unit, (tenure + label_days) / unit)
    until_snapshot = PurchaseHistory(x[back], recency[back] / unit, tenure[back] / unit)
    share = counts.to_numpy(dtype=np.float64) / len(rows)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        likelihood, gradient = log_likelihood(parameters, until_label_end)
        before, gradient_before = log_likelihood(parameters, until_snapshot)
        drop = np.maximum(before - likelihood[back], 1e-12)
        likelihood[back] = before + np.log(-np.expm1(-drop))
        gradient[:, back] = (gradient_before - np.exp(-drop) * gradient[:, back]) / -np.expm1(-drop)
        return -float(likelihood @ share), -(gradient @ share)

    return minimise(loss, starts, penalty).tolist(), unit
