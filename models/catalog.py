"""The model families by name. A family's libraries are imported when a model is built: names alone cost nothing."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.protocol import SpendModel


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        title: for people.
        builder: module and name of what makes an unfitted model from hyperparameters.
        needs: which of seed, threads and horizon_days the builder takes beside them.
        fixed: what makes this family of those that share a builder.
        is_network: training belongs on the queue for networks.
        reads_sequences: it cannot be fitted without the columns of `features.sequences`.
    """

    title: str
    builder: str
    needs: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    is_network: bool = False
    reads_sequences: bool = False


NETWORK = "models.networks.spend_network:SpendNetwork"


def _dense_network(title: str, head: str) -> Family:
    return Family(title, NETWORK, ("seed",), {"head": head}, is_network=True)


def _sequence_network(title: str, reader: str) -> Family:
    return Family(title, NETWORK, ("seed",), {"reader": reader}, is_network=True, reads_sequences=True)


FAMILIES = {
    "mean": Family("mean of the training set", "models.families.baselines:Mean"),
    "previous_window": Family(
        "the previous window again", "models.families.baselines:PreviousWindow", ("horizon_days",)
    ),
    "history_rate": Family("rate of the history so far", "models.families.baselines:HistoryRate", ("horizon_days",)),
    "linear_rfm": Family("least squares on RFM", "models.families.linear:linear_rfm"),
    "ridge_rfm": Family("ridge regression on RFM windows", "models.families.linear:ridge_rfm"),
    "logistic": Family("logistic regression times ridge regression of log spend", "models.families.logistic:Logistic"),
    "svm": Family("support vector machines, approximated RBF kernel", "models.families.svm:SupportVectors", ("seed",)),
    "bagging": Family("bagged trees", "models.families.bagging:Bagging", ("seed", "threads")),
    "random_forest": Family("random forest", "models.families.forest:Forest", ("seed", "threads")),
    "gradient_boosting": Family(
        "gradient boosting of scikit-learn", "models.families.gradient_boosting:GradientBoosting", ("seed", "threads")
    ),
    "lightgbm_tweedie": Family(
        "LightGBM, Tweedie", "models.families.lightgbm:BoostedSpend", ("seed", "threads"), {"hurdle": False}
    ),
    "lightgbm_hurdle": Family(
        "LightGBM, purchase times amount",
        "models.families.lightgbm:BoostedSpend",
        ("seed", "threads"),
        {"hurdle": True},
    ),
    "bg_nbd": Family(
        "BG/NBD, Gamma-Gamma", "models.btyd.model:BuyTillYouDie", ("horizon_days",), {"process": "bg_nbd"}
    ),
    "pareto_nbd": Family(
        "Pareto/NBD, Gamma-Gamma", "models.btyd.model:BuyTillYouDie", ("horizon_days",), {"process": "pareto_nbd"}
    ),
    "mlp": _dense_network("multilayer perceptron, purchase times amount", "two_part"),
    "ziln": _dense_network("multilayer perceptron, zero-inflated lognormal", "ziln"),
    "cnn": _sequence_network("convolutional network over actions", "cnn"),
    "rnn": _sequence_network("recurrent network over actions", "rnn"),
    "cnn_lstm": _sequence_network("convolution, pooling, LSTM over actions", "cnn_lstm"),
}

BTYD_FEATURES = {
    "ridge_rfm": "spend",
    "logistic": "spend",
    "svm": "none",
    "bagging": "none",
    "random_forest": "none",
    "gradient_boosting": "none",
    "lightgbm_tweedie": "spend",
    "lightgbm_hurdle": "none",
}
"""Families with the hyperparameter `btyd_features`: "none" or a name in `models.btyd_features.COLUMNS`. These are its
defaults; benchmarks/btyd.md gives the reasons."""

BASELINES = ("mean", "previous_window", "history_rate", "linear_rfm")
"""Measured beside every candidate."""


def build(family: str, params: dict[str, Any], *, seed: int, threads: int, horizon_days: int) -> SpendModel:
    """Make an unfitted model.

    Args:
        family: a name in `FAMILIES`.
        params: hyperparameters; those that aren't named have their defaults.
        seed: of everything random in the model.
        threads: that training and prediction may use.
        horizon_days: length of the labels it will be trained on.

    Raises:
        ValueError: an unknown family or hyperparameter.
    """
    known = _family(family)
    module, name = known.builder.split(":")
    given = {"seed": seed, "threads": threads, "horizon_days": horizon_days}
    builder = getattr(importlib.import_module(module), name)
    own, columns = dict(params), "none"
    if family in BTYD_FEATURES:
        columns = own.pop("btyd_features", BTYD_FEATURES[family])
    try:
        model: SpendModel = builder(**{need: given[need] for need in known.needs}, **known.fixed, **own)
    except TypeError as error:
        raise ValueError(f"Model family '{family}' can't be built with {params}: {error}.") from error
    if columns == "none":
        return model
    from models.btyd.features import WithBtydFeatures

    return WithBtydFeatures(model, horizon_days, columns)


def is_network(family: str) -> bool:
    """Say whether a family is a neural network, which may train on another queue."""
    return _family(family).is_network


def reads_sequences(family: str) -> bool:
    """Say whether a family needs the columns of `features.sequences`; without them its `fit` raises a ValueError."""
    return _family(family).reads_sequences


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise ValueError(f"Expected a model family out of {', '.join(FAMILIES)}; found '{name}'.")
    return FAMILIES[name]
