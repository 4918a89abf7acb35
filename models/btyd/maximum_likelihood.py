"""How buy-till-you-die models are fitted: to histories, and to whether a purchase followed in the label window."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no stubs

from models.btyd.purchase_history import Floats, PurchaseHistory

BOUNDS = (-8.0, 8.0)
"""Of the logarithm of every parameter; near 0 in real data if times are in mean tenures and money in mean spend."""

MAX_ROWS = 50_000
"""Rows that a fit looks at; a handful of parameters need no more, and so the time of a fit is bounded."""

ROUGH = 2_000
"""Kinds of customers from which a fit finds its way; all others only make its last steps more precise."""

Parameters = Sequence[Any]
"""Of a model, all positive: each a float, or an array with one for each customer."""


class Process(NamedTuple):
    """A model of when customers buy, as its fit sees it.

    Attributes:
        model: makes it from its parameters.
        log_likelihood: of parameters and histories: of each history, and its gradient by the customer's parameters,
            shape (parameters, histories).
        starts: parameters to start from, where times are in mean tenures; see `minimise`.
        is_time: whether a parameter is a time.
        effects: how covariates act on the logarithm of each parameter: 1, -1, or 0 for not at all.
    """

    model: Callable[..., Any]
    log_likelihood: Callable[[Parameters, PurchaseHistory], tuple[Floats, Floats]]
    starts: Sequence[Sequence[float]]
    is_time: Sequence[bool]
    effects: Sequence[int]


class Observed(NamedTuple):
    """What is known of customers, each kind of customer once.

    Attributes:
        unit: of time, in days.
        until_label_end: their histories, as if nothing was bought in the label window.
        until_snapshot: the histories of those who came back.
        came_back: whether a purchase followed in the label window; shape (kinds,).
        covariates: shape (kinds, covariates).
        share: of all customers.
    """

    unit: float
    until_label_end: PurchaseHistory
    until_snapshot: PurchaseHistory
    came_back: NDArray[np.bool_]
    covariates: Floats
    share: Floats

    def thinned(self, kinds: int) -> "Observed":
        """At most so many kinds, evenly spaced."""
        step = max(-(-len(self.share) // kinds), 1)
        some, some_back = slice(None, None, step), np.flatnonzero(self.came_back) % step == 0
        return Observed(
            self.unit,
            PurchaseHistory(*(part[some] for part in self.until_label_end)),
            PurchaseHistory(*(part[some_back] for part in self.until_snapshot)),
            self.came_back[some],
            self.covariates[some],
            self.share[some] / self.share[some].sum(),
        )


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

    def of_logs(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        value, gradient = loss(parameters)
        return value, gradient * parameters

    ends = [descend(of_logs, np.log(start), [BOUNDS] * len(start), penalty) for start in starts]
    return np.exp(min(ends, key=lambda end: end[1])[0])


def descend(
    loss: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    bounds: Sequence[tuple[float, float]],
    penalty: float | Floats,
    tolerance: float = 2e-9,
) -> tuple[Floats, float]:
    """Where bounded L-BFGS ends, and the loss there plus the squares times `penalty`.

    It ends when a step lowers that by less than `tolerance` of it.
    """

    def penalised(point: Floats) -> tuple[float, Floats]:
        value, gradient = loss(point)
        return value + float((penalty * point) @ point), gradient + 2 * penalty * point

    with threadpool_limits(1, user_api="blas"):  # on vectors this short, threads only wait for each other
        options = {"ftol": tolerance}
        end = minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(end.x), float(end.fun)


def observe(
    history: PurchaseHistory,
    came_back: NDArray[np.bool_],
    label_days: float,
    covariates: Floats | None = None,
) -> Observed:
    """Gather customers who are alike, out of at most `MAX_ROWS`.

    A label adds what is known of the days after the history. If nothing was bought in them, the history just goes on to
    their end; if something was, what is left of the likelihood of the history alone.

    Args:
        history: of the customers, in days.
        came_back: whether the customer bought in the `label_days` after the history.
        label_days: 0 if there are no labels; then nobody came back.
        covariates: shape (customers, covariates).
    """
    known = np.column_stack([*history, came_back, *(covariates.T if covariates is not None else [])])
    rows = pd.DataFrame(known[every_nth(len(known))])
    counts = rows.groupby(list(rows), sort=False).size()
    unit = max(float(rows[2].mean()), 1.0)
    x, recency, tenure, back, *rest = counts.index.to_frame().to_numpy(dtype=np.float64).T
    back = back.astype(bool)
    return Observed(
        unit,
        PurchaseHistory(x, recency / unit, (tenure + label_days) / unit),
        PurchaseHistory(x[back], recency[back] / unit, tenure[back] / unit),
        back,
        np.array(rest).reshape(len(rest), len(x)).T,
        counts.to_numpy(dtype=np.float64) / len(rows),
    )


def loss(process: Process, parameters: Parameters, observed: Observed) -> tuple[float, Floats]:
    """Mean negative log-likelihood, and what each kind of customer adds to its gradient; shape (parameters, kinds)."""
    back = observed.came_back
    likelihood, gradient = process.log_likelihood(parameters, observed.until_label_end)
    of_back = [part[back] if isinstance(part, np.ndarray) else part for part in parameters]
    before, gradient_before = process.log_likelihood(of_back, observed.until_snapshot)
    drop = np.maximum(before - likelihood[back], 1e-12)
    likelihood[back] = before + np.log(-np.expm1(-drop))
    gradient[:, back] = (gradient_before - np.exp(-drop) * gradient[:, back]) / -np.expm1(-drop)
    return -float(likelihood @ observed.share), -gradient * observed.share


def fit_process(
    process: Process, history: PurchaseHistory, came_back: NDArray[np.bool_], label_days: float, penalty: float
) -> Any:  # noqa: ANN401 - the process's model
    """Fit a model of when customers buy, for all customers alike; arguments as in `observe` and `minimise`."""
    observed = observe(history, came_back, label_days)

    def best(starts: Sequence[Sequence[float]], kinds: Observed) -> Floats:
        def summed(parameters: Floats) -> tuple[float, Floats]:
            value, gradient = loss(process, parameters.tolist(), kinds)
            return value, gradient.sum(axis=1)

        return minimise(summed, starts, penalty)

    rough = best(process.starts, observed.thinned(ROUGH))
    fitted = best([rough.tolist()], observed)
    return process.model(*(fitted * np.where(process.is_time, observed.unit, 1.0)).tolist())
