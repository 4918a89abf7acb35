"""From label windows to a longer horizon, where the history is too short for labels of the whole horizon."""

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from models.btyd.model import PROCESSES, BuyTillYouDie
from models.measures.gini import Floats
from models.protocol import LabelledUsers


def windows_in_horizon(training: LabelledUsers, users: pd.DataFrame, label_days: int, horizon_days: int) -> float:
    """How many label windows the horizon counts for when it is about who buys.

    A user who buys in a label window with p buys in the horizon with 1 - (1 - p) ** windows. They are fewer than
    horizon_days / label_days, as customers leave. How many is the mean of what BG/NBD, in which they leave late, and
    Pareto/NBD, in which they leave early, expect. It is one number for all users: a number of each user's own moved
    no total and made the order of probabilities worse.

    Args:
        training: what the processes are fitted to; its labels are of `label_days`.
        users: features of those to predict, at their snapshot.
        label_days: length of the labels.
        horizon_days: length of the horizon, at least `label_days`.
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
    """In how many windows (1 to `most`) users who buy in one with `probability` buy with this mean probability."""

    def surplus(windows: float) -> float:
        return float(np.mean(1 - (1 - probability) ** windows)) - mean

    return float(brentq(surplus, 1.0, most)) if surplus(1.0) < 0 < surplus(most) else most
