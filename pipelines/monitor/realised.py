"""Compare the newest matured scores with the measures that the evaluation promised."""

from datetime import date
from math import hypot
from typing import Any, NamedTuple

import pandas as pd

from features.build import labels
from features.daily.tables import USER_DAY
from models.measures.drift import MIN_ROWS
from models.measures.gini import standard_error
from models.measures.metrics import measure
from models.predictions import ORDERS
from pipelines.lake import tables
from pipelines.retraining.matured import PROMISED, newest_matured
from pipelines.retraining.reference.learned import rows_of
from pipelines.settings import Settings
from pipelines.tracking.runs import connect

ERRORS = 2.0
"""Number of standard errors that a loss of nGini must exceed."""

WIDTH = 3.92
"""Half-width of a 95 % interval in standard errors."""


class Realised(NamedTuple):
    """Realised measures of a scored snapshot.

    Attributes:
        snapshot: the scored snapshot.
        version: version of the model that scored it.
        checks: kind, value and threshold of each check.
        measures: see `models.measures.metrics.measure`.
    """

    snapshot: date
    version: str
    checks: list[tuple[str, float, float]]
    measures: dict[str, float]


def measure_realised(settings: Settings, snapshot_date: date) -> Realised | str:
    """Measure the newest matured scores at `snapshot_date` (exclusive), or say why there are none.

    Returns:
        The loss of nGini against the promise, the absolute bias, and the decile WAPE; or a sentence.
    """
    matured = newest_matured(settings, snapshot_date)
    if matured is None:
        return "No earlier scores have matured yet: nGini, bias and calibration are not measured."
    scores = rows_of(settings, "predictions", matured)
    if "basis" in scores:
        scores = scores[scores["basis"] == ORDERS]
    if len(scores) < MIN_ROWS:
        return f"The scores of {matured} are of {len(scores)} users; fewer than {MIN_ROWS} are not measured."
    version, horizon_days = str(scores["model_version"].iloc[0]), int(scores["horizon_days"].iloc[0])
    promised = _promised(settings, version)
    if promised is None:
        return f"Version {version}, which scored {matured}, was registered without measures to compare with."
    users = _with_labels(settings, scores, matured, horizon_days)
    measures = measure(
        users["future_spend"], users["purchased"], users["expected_spend"], users["purchase_probability"]
    )
    samples, seed = settings.promotion.bootstrap_samples, settings.training.seed
    error = hypot(
        standard_error(users["future_spend"], users["expected_spend"], samples, seed),
        (promised["test_ngini_high"] - promised["test_ngini_low"]) / WIDTH,
    )
    margin = settings.monitor.max_level_error
    checks = [
        (
            "ngini_loss",
            promised["test_ngini"] - measures["ngini"],
            max(settings.monitor.max_ngini_loss, ERRORS * error),
        ),
        ("bias", abs(measures["bias"]), abs(promised["test_bias"]) + margin),
        ("decile_wape", measures["decile_wape"], promised["test_decile_wape"] + margin),
    ]
    return Realised(matured, version, checks, measures)


def _promised(settings: Settings, version: str) -> dict[str, float] | None:
    from mlflow.exceptions import MlflowException

    client = connect(settings)
    try:
        run_id = client.get_model_version(settings.mlflow.model_name, version).run_id
        metrics: dict[str, Any] = client.get_run(run_id).data.metrics
    except MlflowException:
        return None
    return {name: float(metrics[name]) for name in PROMISED} if set(PROMISED) <= metrics.keys() else None


def _with_labels(settings: Settings, scores: pd.DataFrame, snapshot: date, horizon_days: int) -> pd.DataFrame:
    days = tables.read(tables.connect(), settings, USER_DAY.name)
    truth = labels(days, snapshot, horizon_days).to_pyarrow().to_pandas()
    users = scores.merge(truth, "left", "user_id")
    users["future_spend"] = users["future_spend"].fillna(0.0)
    users["purchased"] = users["purchased"].astype("boolean").fillna(False).astype(bool)  # noqa: FBT003 - pandas' API
    return users
