"""The model families by name, each declared once. A family's libraries are imported when a model is built."""

import importlib
from collections.abc import Collection
from typing import Any

from models.family import Choice, Family, Integer, Ranges, Real
from models.protocol import SpendModel

BTYD = Choice("none", "spend")
BOOSTING: Ranges = {
    "trees": Integer(80, 240, step=20),
    "learning_rate": Real(0.02, 0.08, log=True),
    "leaves": Choice(7, 15, 31),
    "min_leaf": Integer(50, 800, log=True),
    "columns": Real(0.3, 0.8),
    "shrinkage": Real(1.0, 100.0, log=True),
    "btyd_features": BTYD,
}
BUY_TILL_YOU_DIE: Ranges = {"penalty": Real(1e-5, 1e-3, log=True), "covariates": Choice(False, True)}  # noqa: FBT003
UNITS, SIZES = Choice(32, 64, 96), Choice(16, 32, 64)
NETWORK: Ranges = {
    "units": UNITS,
    "layers": Integer(1, 3),
    "dropout": Real(0.0, 0.3),
    "learning_rate": Real(5e-4, 5e-3, log=True),
    "weight_decay": Real(1e-4, 1e-1, log=True),
}
SEQUENCE_NETWORK: Ranges = {**NETWORK, "head": Choice("two_part", "ziln"), "length": Choice(16, 32)}


def _baseline(title: str, builder: str, *needs: str, columns: tuple[str, ...] = ()) -> Family:
    return Family(title, builder, needs, is_baseline=True, columns=columns)


def _btyd(title: str, process: str) -> Family:
    builder = "models.btyd.model:BuyTillYouDie"
    return Family(title, builder, ("horizon_days",), {"process": process}, BUY_TILL_YOU_DIE)


def _network(title: str, space: Ranges, **fixed: str) -> Family:
    builder = "models.networks.spend_network:SpendNetwork"
    return Family(title, builder, ("seed",), fixed, space, is_network=True, reads_sequences="reader" in fixed)


FAMILIES = {
    "mean": _baseline("mean of the training set", "models.families.baselines:Mean"),
    "previous_window": _baseline(
        "the previous window again", "models.families.baselines:PreviousWindow", "horizon_days"
    ),
    "history_rate": _baseline(
        "rate of the history so far",
        "models.families.baselines:HistoryRate",
        "horizon_days",
        columns=("spend_total", "purchase_days_total", "T"),
    ),
    "spend_decayed_56d": _baseline(
        "recent spend, half after 56 days", "models.families.baselines:DecayedSpend", columns=("spend_decayed_56d",)
    ),
    "linear_rfm": _baseline("least squares on RFM", "models.families.linear:linear_rfm"),
    "ridge_rfm": Family(
        "ridge regression on RFM windows",
        "models.families.linear:ridge_rfm",
        space={"alpha": Real(1.0, 30_000.0, log=True), "log_scale": Choice(True, False), "btyd_features": BTYD},  # noqa: FBT003
        btyd_features="spend",
    ),
    "logistic": Family(
        "logistic regression times ridge regression of log spend",
        "models.families.logistic:Logistic",
        space={
            "inverse_penalty": Real(1e-3, 1.0, log=True),
            "alpha": Real(1.0, 10_000.0, log=True),
            "btyd_features": BTYD,
        },
        btyd_features="spend",
    ),
    "svm": Family(
        "support vector machines, approximated RBF kernel",
        "models.families.svm:SupportVectors",
        ("seed",),
        space={
            "width": Real(0.03, 1.0, log=True),
            "inverse_penalty": Real(1e-2, 10.0, log=True),
            "btyd_features": BTYD,
        },
        btyd_features="none",
    ),
    "bagging": Family(
        "bagged trees",
        "models.families.bagging:Bagging",
        ("seed", "threads"),
        space={"depth": Integer(6, 11), "min_leaf": Integer(20, 200, log=True), "btyd_features": BTYD},
        btyd_features="none",
    ),
    "random_forest": Family(
        "random forest",
        "models.families.forest:Forest",
        ("seed", "threads"),
        space={
            "depth": Integer(6, 12),
            "min_leaf": Integer(20, 200, log=True),
            "columns": Real(0.2, 0.6),
            "btyd_features": BTYD,
        },
        btyd_features="none",
    ),
    "gradient_boosting": Family(
        "gradient boosting of scikit-learn",
        "models.families.gradient_boosting:GradientBoosting",
        ("seed", "threads"),
        space={**BOOSTING, "loss": Choice("gamma", "poisson")},
        btyd_features="none",
    ),
    "lightgbm_tweedie": Family(
        "LightGBM, Tweedie",
        "models.families.lightgbm:BoostedSpend",
        ("seed", "threads"),
        {"hurdle": False},
        {**BOOSTING, "variance_power": Real(1.2, 1.8)},
        btyd_features="spend",
    ),
    "lightgbm_hurdle": Family(
        "LightGBM, purchase times amount",
        "models.families.lightgbm:BoostedSpend",
        ("seed", "threads"),
        {"hurdle": True},
        BOOSTING,
        btyd_features="none",
    ),
    "bg_nbd": _btyd("BG/NBD, Gamma-Gamma", "bg_nbd"),
    "pareto_nbd": _btyd("Pareto/NBD, Gamma-Gamma", "pareto_nbd"),
    "mlp": _network(
        "multilayer perceptron, purchase times amount",
        {**NETWORK, "learning_rate": Real(3e-4, 3e-3, log=True)},
        head="two_part",
    ),
    "ziln": _network("multilayer perceptron, zero-inflated lognormal", NETWORK, head="ziln"),
    "cnn": _network(
        "convolutional network over actions",
        {**SEQUENCE_NETWORK, "filters": SIZES, "kernel": Integer(2, 5)},
        reader="cnn",
    ),
    "rnn": _network(
        "recurrent network over actions",
        {**SEQUENCE_NETWORK, "memory": SIZES, "cell": Choice("gru", "lstm")},
        reader="rnn",
    ),
    "cnn_lstm": _network(
        "convolution, pooling, LSTM over actions",
        {**SEQUENCE_NETWORK, "filters": SIZES, "memory": SIZES},
        reader="cnn_lstm",
    ),
}
"""Every family by name; search spaces, baselines and defaults are derived from it."""


def baselines(features: Collection[str]) -> list[str]:
    """Families measured beside every candidate, without those whose columns the source does not give.

    >>> baselines(["spend_total", "purchase_days_total", "T"])
    ['mean', 'previous_window', 'history_rate', 'linear_rfm']
    """
    return [name for name, family in FAMILIES.items() if family.is_baseline and set(family.columns) <= set(features)]


def column_baselines(features: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Baselines that can be champion until a model beats them, each with its columns, first the one that ranks users.

    >>> column_baselines(["spend_decayed_56d"])
    {'spend_decayed_56d': ('spend_decayed_56d',)}
    """
    columns = {name: FAMILIES[name].columns for name in baselines(features)}
    return {name: own for name, own in columns.items() if own}


def build(family: str, params: dict[str, Any], *, seed: int, threads: int, horizon_days: int) -> SpendModel:
    """Make an unfitted model.

    Args:
        family: a name in `FAMILIES`.
        params: hyperparameters; unnamed ones take their defaults.
        seed: seed of everything random in the model.
        threads: threads for training and prediction.
        horizon_days: length of the training labels.

    Raises:
        ValueError: an unknown family or hyperparameter.

    >>> build("bagging", {"depth": 6}, seed=0, threads=1, horizon_days=28).depth
    6
    >>> build("xgboost", {}, seed=0, threads=1, horizon_days=28)
    Traceback (most recent call last):
    ValueError: Expected a model family out of mean, previous_window, ...; found 'xgboost'.
    """
    declared, own = _family(family), dict(params)
    module, name = declared.builder.split(":")
    given = {"seed": seed, "threads": threads, "horizon_days": horizon_days}
    builder = getattr(importlib.import_module(module), name)
    columns = "none"
    if declared.btyd_features is not None:
        columns = own.pop("btyd_features", declared.btyd_features)
    try:
        model: SpendModel = builder(**{need: given[need] for need in declared.needs}, **declared.fixed, **own)
    except TypeError as error:
        raise ValueError(f"Model family '{family}' can't be built with {params}: {error}.") from error
    if columns == "none":
        return model
    from models.btyd.features import WithBtydFeatures

    return WithBtydFeatures(model, horizon_days, columns)


def is_network(family: str) -> bool:
    """Say whether a family is a neural network, which may train on another queue.

    >>> is_network("mlp"), is_network("svm")
    (True, False)
    """
    return _family(family).is_network


def reads_sequences(family: str) -> bool:
    """Say whether a family needs the columns of `features.sequences`; its `fit` raises a ValueError without them.

    >>> reads_sequences("cnn"), reads_sequences("mlp")
    (True, False)
    """
    return _family(family).reads_sequences


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise ValueError(f"Expected a model family out of {', '.join(FAMILIES)}; found '{name}'.")
    return FAMILIES[name]
