"""Convert predictions for a label window to a longer horizon, where the history is too short for labels of it."""

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from models.btyd.model import PROCESSES, BuyTillYouDie
from models.measures.gini import Floats
from models.protocol import LabelledUsers


def windows_in_horizon(training: LabelledUsers, users: pd.DataFrame, label_days: int, horizon_days: int) -> float:
    """Equivalent number of label windows in the horizon, for the probability of a purchase.

    A user who buys in a label window with probability p buys in the horizon with 1 - (1 - p) ** windows. The number is
    below horizon_days / label_days, because customers leave. It is the mean of the values implied by BG/NBD, in which
    customers leave late, and Pareto/NBD, in which they leave early. One number serves all users: individual numbers did
    not improve totals and ranked probabilities worse.

    Args:
        training: training set of the processes, with labels of `label_days`.
        users: features of the users to predict, at their snapshot.
        label_days: length of the labels.
        horizon_days: length of the horizon, at least `label_days`.

    >>> nobody = LabelledUsers(pd.DataFrame(), pd.Series(dtype=float), pd.Series(dtype=bool))
    >>> windows_in_horizon(nobody, nobody.features, label_days=28, horizon_days=28)
    1.0
    """
    if horizon_days <= label_days:
        return 1.0
    windows = []
    for process in PROCESSES:
        model = BuyTillYouDie(process, label_days).fit(training)
        in_label, in_horizon = (model.purchase_probability(users, days) for days in (label_days, horizon_days))
        windows.append(_windows(in_label, float(in_horizon.mean()), horizon_days / label_days))
    return float(np.mean(windows))


def _windows(probability: Floats, mean: float, most: float) -> float:
    """Solve for the number of windows (1 to `most`) that turns `probability` into this mean probability."""

    def surplus(windows: float) -> float:
        return float(np.mean(1 - (1 - probability) ** windows)) - mean

    return float(brentq(surplus, 1.0, most)) if surplus(1.0) < 0 < surplus(most) else most
