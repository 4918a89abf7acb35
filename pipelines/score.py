"""Step `score`: what the champion says of every user at a snapshot."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines import lake, tracking
from pipelines.errors import NothingToDo, PurseError
from pipelines.files import write_atomically
from pipelines.level import forecast_level
from pipelines.logged_model import load_model
from pipelines.registry import CHAMPION, version_of
from pipelines.settings import Settings
from pipelines.validate import check

if TYPE_CHECKING:
    import pandas as pd

    from models.purchasing_power import PurchasingPower

DECIMALS = {"expected_spend": 2, "spend_low": 2, "spend_high": 2, "score": 2, "purchase_probability": 6}
"""Of the exported columns; the lake keeps all."""


def score(settings: Settings, snapshot_date: date, scored_at: datetime) -> dict[str, Any]:
    """Write the scores of all users with a purchase before `snapshot_date` to `predictions` and to exports/.

    Args:
        settings: the settings.
        snapshot_date: a snapshot that `build_features` has written.
        scored_at: stamped on each row, with time zone.

    Returns:
        The rows, the model version, the export, the forecast of all spend with its 80 % interval, and per tier the
        users and their share of expected spend.

    Raises:
        NothingToDo: there is no champion yet.
        PurseError: no features, features that the model misses, or predictions that break their suite; the scores
            of this snapshot are as they were before.
    """
    version = champion_version(settings)
    model = load_model(settings, f"models:/{settings.mlflow.model_name}/{version}")
    if model.horizon_days != settings.horizon_days:
        raise PurseError(
            f"Champion version {version} predicts {model.horizon_days} days, but horizon_days is now "
            f"{settings.horizon_days}. Run retrain_daily for a champion of this horizon, or set horizon_days back."
        )
    features = _features(settings, snapshot_date)
    level = forecast_level(settings, snapshot_date)
    scores = predict(model.levelled(features, level.expected), features)
    report = check(settings, scores, "predictions", snapshot_date)
    rows = scores.assign(
        snapshot_date=snapshot_date,
        horizon_days=settings.horizon_days,
        model_version=version,
        scored_at=scored_at.astimezone(UTC).replace(tzinfo=None, microsecond=0),
    )
    lake.replace(
        settings,
        "predictions",
        pa.Table.from_pandas(rows, preserve_index=False),
        "snapshot_date",
        snapshot_date,
        snapshot_date + timedelta(days=1),
    )
    export = settings.exports / f"scores_{snapshot_date}.csv"
    content = io.StringIO()
    rows.round(DECIMALS).to_csv(content, index=False)
    write_atomically(export, content.getvalue().encode())
    return {
        "snapshot_date": snapshot_date.isoformat(),
        "rows": len(rows),
        "model_version": version,
        "export": str(export),
        "level": {"expected": level.expected, "low": level.low, "high": level.high},
        "tiers": tier_shares(scores),
        **report,
    }


def champion_version(settings: Settings) -> str:
    """The version of the registered model that scores.

    Raises:
        NothingToDo: there is none yet.
        PurseError: MLflow does not answer.
    """
    name = settings.mlflow.model_name
    version = version_of(tracking.connect(settings), name, CHAMPION)
    if version is None:
        raise NothingToDo(f"'{name}' has no champion yet. Run retrain_daily, or 'purse train' to 'purse promote'.")
    return version


def predict(model: "PurchasingPower", features: "pd.DataFrame") -> "pd.DataFrame":
    """The model's answer for rows of `user_id` and features: user_id first, ordered by user_id.

    Raises:
        PurseError: the rows lack features that the model was trained with.
    """
    missing = [name for name in model.feature_names if name not in features.columns]
    if missing:
        raise PurseError(
            f"The model needs {len(missing)} features that this build lacks, first '{missing[0]}': the source no "
            "longer gives a column that it gave at training. Restore the column, or train and promote a new model."
        )
    features = features.sort_values("user_id", ignore_index=True)
    scores = model.predict(features[list(model.feature_names)])
    scores.insert(0, "user_id", features["user_id"])
    return scores


def tier_shares(scores: "pd.DataFrame") -> dict[str, dict[str, float]]:
    """Per tier: the number of users and the tier's share of all expected spend."""
    spend = scores.groupby("tier", observed=True)["expected_spend"].agg(["size", "sum"])
    total = float(spend["sum"].sum()) or 1.0
    return {
        tier: {"users": int(spend["size"][tier]), "expected_spend_share": round(float(spend["sum"][tier]) / total, 4)}
        for tier in ("high", "mid", "low")
        if tier in spend.index
    }


def _features(settings: Settings, snapshot_date: date) -> "pd.DataFrame":
    table = lake.read(lake.connect(), settings, "features")
    features = table.filter(table.snapshot_date == snapshot_date).drop("snapshot_date").to_pyarrow().to_pandas()
    if features.empty:
        raise PurseError(
            f"There are no features of {snapshot_date}. "
            f"Run 'purse build-features --snapshot-date {snapshot_date}' first."
        )
    return features
