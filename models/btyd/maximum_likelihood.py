"""Fit buy-till-you-die models to histories, and to whether a purchase followed in the label window."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no stubs

from models.btyd.purchase_history import Floats, PurchaseHistory

BOUNDS = (-8.0, 8.0)
"""Bounds of the logarithm of every parameter; in mean tenures and mean spend, real data lies near 0."""

MAX_ROWS = 50_000
"""Maximum rows of a fit; a handful of parameters needs no more, and it bounds the time of a fit."""

ROUGH = 2_000
"""Distinct customers in the first, rough fit; the rest only refine its last steps."""

Parameters = Sequence[Any]
"""Positive parameters of a model, each a float or an array with one value per customer."""


class Process(NamedTuple):
    """A purchase process, as its fit needs it.

    Attributes:
        model: builds the model from its parameters.
        log_likelihood: maps parameters and histories to the log-likelihood of each history and its gradient by the
            customer's parameters, shape (parameters, histories).
        starts: starting parameters, with times in mean tenures; see `minimise`.
        is_time: True for parameters that are times.
        effects: sign of the covariates' effect on the logarithm of each parameter: 1, -1, or 0 for none.
    """

    model: Callable[..., Any]
    log_likelihood: Callable[[Parameters, PurchaseHistory], tuple[Floats, Floats]]
    starts: Sequence[Sequence[float]]
    is_time: Sequence[bool]
    effects: Sequence[int]


class Observed(NamedTuple):
    """Observations with equal customers merged.

    Attributes:
        unit: time unit, in days.
        until_label_end: histories up to the end of the label window, as if without a purchase in it.
        until_snapshot: histories up to the snapshot of the customers who came back.
        came_back: True where a purchase followed in the label window; shape (kinds,).
        covariates: encoded covariates; shape (kinds, covariates).
        share: share of customers of each kind; shape (kinds,).
    """

    unit: float
    until_label_end: PurchaseHistory
    until_snapshot: PurchaseHistory
    came_back: NDArray[np.bool_]
    covariates: Floats
    share: Floats

    def thinned(self, kinds: int) -> "Observed":
        """Keep at most `kinds` distinct customers, evenly spaced."""
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
    """Slice that selects at most `MAX_ROWS` evenly spaced rows.

    >>> every_nth(100_001)
    slice(None, None, 3)
    """
    return slice(None, None, max(-(-rows // MAX_ROWS), 1))


def minimise(
    loss: Callable[[Floats], tuple[float, Floats]], starts: Sequence[Sequence[float]], penalty: float
) -> Floats:
    """Minimise the penalised loss over positive parameters, by bounded L-BFGS on their logarithms.

    Args:
        loss: maps parameters to the loss and its gradient by each parameter.
        starts: starting parameters; the best result is returned.
        penalty: weight of the sum of squared logarithms, which pulls towards 1 and decides where data does not.

    >>> minimise(lambda p: (float((p[0] - 3) ** 2), 2 * (p - 3)), [[1.0]], penalty=0.0).round(3).tolist()
    [3.0]
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
    """Run bounded L-BFGS; return the end point, and the loss there plus `penalty` times the squared coordinates.

    It stops when a step lowers that sum by less than the relative `tolerance`.

    >>> point, value = descend(lambda x: (float((x[0] - 3) ** 2), 2 * (x - 3)), np.zeros(1), [(-8, 2)], penalty=0.0)
    >>> point.tolist(), value
    ([2.0], 1.0)
    """

    def penalised(point: Floats) -> tuple[float, Floats]:
        value, gradient = loss(point)
        return value + float((penalty * point) @ point), gradient + 2 * penalty * point

    with threadpool_limits(1, user_api="blas"):  # on short vectors threads only wait for each other
        options = {"ftol": tolerance}
        end = minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(end.x), float(end.fun)


def observe(
    history: PurchaseHistory,
    came_back: NDArray[np.bool_],
    label_days: float,
    covariates: Floats | None = None,
) -> Observed:
    """Merge equal customers, from at most `MAX_ROWS` rows.

    A label extends what is known by the days after the history. Without a purchase in them, the history continues to
    their end; with one, the likelihood is the difference of the two histories' likelihoods.

    Args:
        history: customers' histories, in days.
        came_back: True for customers who bought in the `label_days` after the history.
        label_days: length of the labels; 0 if there are none, then nobody came back.
        covariates: encoded covariates; shape (customers, covariates).

    >>> history = PurchaseHistory(np.zeros(3), np.zeros(3), np.array([10.0, 10.0, 40.0]))
    >>> observed = observe(history, np.zeros(3, dtype=bool), label_days=0)
    >>> observed.unit, observed.share.round(2).tolist()
    (20.0, [0.67, 0.33])
    """
    columns = np.column_stack([*history, came_back, *(covariates.T if covariates is not None else [])])
    rows = pd.DataFrame(columns[every_nth(len(columns))])
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
    """Mean negative log-likelihood, and each kind of customer's part of its gradient; shape (parameters, kinds).

    >>> from models.btyd import bg_nbd
    >>> history = PurchaseHistory(np.array([0.0, 2.0]), np.array([0.0, 30.0]), np.array([38.0, 38.0]))
    >>> observed = observe(history, np.array([False, True]), label_days=28)
    >>> loss(bg_nbd.PROCESS, (0.5, 1.0, 0.5, 2.0), observed)[1].shape
    (4, 2)
    """
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
    """Fit a purchase process with common parameters for all customers; arguments as in `observe` and `minimise`.

    >>> from models.btyd import pareto_nbd
    >>> history = PurchaseHistory(np.array([0.0, 3.0]), np.array([0.0, 30.0]), np.array([40.0, 40.0]))
    >>> model = fit_process(pareto_nbd.PROCESS, history, np.array([False, True]), label_days=28, penalty=1e-3)
    >>> bool(np.diff(model.any_purchase(history, days=28))[0] > 0)
    True
    """
    observed = observe(history, came_back, label_days)

    def best(starts: Sequence[Sequence[float]], kinds: Observed) -> Floats:
        def summed(parameters: Floats) -> tuple[float, Floats]:
            value, gradient = loss(process, parameters.tolist(), kinds)
            return value, gradient.sum(axis=1)

        return minimise(summed, starts, penalty)

    rough = best(process.starts, observed.thinned(ROUGH))
    fitted = best([rough.tolist()], observed)
    return process.model(*(fitted * np.where(process.is_time, observed.unit, 1.0)).tolist())
