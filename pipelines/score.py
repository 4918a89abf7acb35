"""Step `score`: the champion's predictions for every user at a snapshot."""

from collections.abc import Container
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
from ibis.backends.sql import SQLBackend

from models.predictions import ATTRIBUTES, TIERS
from pipelines.compute import backend
from pipelines.errors import PurseError
from pipelines.files import replacing
from pipelines.lake import commit_log, tables
from pipelines.lake.checks import check
from pipelines.lake.names import FEATURE_TABLE, WITHOUT_ORDERS
from pipelines.lake.rows import snapshot_rows
from pipelines.lake.totals import require_usual_total
from pipelines.results.scoring import Scored, TierSpend
from pipelines.results.training import Interval
from pipelines.retraining.level import forecast_level
from pipelines.settings import Settings
from pipelines.spreadsheets import safe
from pipelines.tracking.champion import load_champion, notice_move, warnings_about
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    import pandas as pd

    from models.purchasing_power import PurchasingPower

DECIMALS = {"expected_spend": 2, "spend_low": 2, "spend_high": 2, "score": 2, "purchase_probability": 6}
"""Decimals of the exported columns; the lake keeps all."""

ANSWERS = "blend double, probability double, reasons string, basis string"
"""Columns of `PurchasingPower.blend_and_reasons`, as Spark declares them."""

COLD_ANSWERS = (
    "expected_spend double, purchase_probability double, spend_low double, spend_high double, score double, "
    "tier string, reasons string, basis string"
)
"""Columns of `PurchasingPower.predict_without_orders`."""


def score(settings: Settings, snapshot_date: date, scored_at: datetime, *, confirmed: bool = False) -> Scored:
    """Write the scores of all users known before `snapshot_date` to `predictions` and exports/.

    Users without a purchase are scored from profile and behaviour; the column `basis` says so. The column `baseline`
    names the baseline that scores until a model beats it.

    Args:
        settings: the settings.
        snapshot_date: a snapshot that `build_features` has written.
        scored_at: time with zone, written to each row.
        confirmed: a person confirms that the expected total is far from the last scores.

    Raises:
        NothingToDo: there is no champion yet.
        PurseError: the champion is gone or cannot be loaded, features are missing, the expected total is far from the
            last scores, or predictions break a critical rule; the scores of this snapshot stay unchanged.
    """
    import pandas as pd

    version, model = load_champion(settings)
    notice_move(settings, version, scored_at)
    if model.horizon_days != settings.horizon_days:
        raise PurseError(
            f"Champion version {version} predicts {model.horizon_days} days, but horizon_days is now "
            f"{settings.horizon_days}. Run retrain_daily for a champion of this horizon, or set horizon_days back."
        )
    _require_features(settings, snapshot_date, model)
    connection = backend.connect(settings)
    known = snapshot_rows(connection, settings, FEATURE_TABLE, snapshot_date).select("user_id", *model.feature_names)
    level = forecast_level(settings, snapshot_date)
    predictions = backend.answers(connection, known, model.blend_and_reasons, ANSWERS)
    model = model.at_level(predictions["blend"].to_numpy(), level.expected)
    scores = model.to_scores(predictions.drop(columns="user_id"))
    scores.insert(0, "user_id", predictions["user_id"])
    scores, warnings = _with_cold_start(connection, settings, snapshot_date, model, scores)
    if not confirmed:
        require_usual_total(settings, float(scores["expected_spend"].sum()), len(scores), snapshot_date)
    report = check(settings, scores, "predictions", snapshot_date)
    rows = scores.assign(
        snapshot_date=snapshot_date,
        horizon_days=settings.horizon_days,
        model_version=version,
        scored_at=scored_at.astimezone(UTC).replace(tzinfo=None, microsecond=0),
        baseline=pd.Series([model.baseline] * len(scores), dtype="string"),
    )
    tables.replace(
        settings,
        "predictions",
        pa.Table.from_pandas(rows, preserve_index=False),
        "snapshot_date",
        snapshot_date,
        snapshot_date + timedelta(days=1),
    )
    export = settings.exports / f"scores_{snapshot_date}.csv"
    with replacing(export) as file:
        rows.assign(user_id=safe(rows["user_id"])).round(DECIMALS).to_csv(file, index=False, mode="wb")
    return Scored(
        snapshot_date=snapshot_date,
        rows=len(rows),
        without_orders=int((scores["basis"] == ATTRIBUTES).sum()),
        model_version=version,
        baseline=model.baseline,
        export=str(export),
        level=Interval(expected=level.expected, low=level.low, high=level.high),
        second_moment=model.intervals.second_moment,
        tiers=tier_shares(scores),
        data_docs=report.data_docs,
        warnings=[*warnings_about(settings, connect(settings)), *warnings, *report.warnings],
    )


def predict(model: "PurchasingPower", features: "pd.DataFrame") -> "pd.DataFrame":
    """Predict rows of `user_id` and features; user_id first, ordered by user_id.

    Raises:
        PurseError: the rows lack features that the model was trained with.
    """
    _require(model, features.columns)
    features = features.sort_values("user_id", ignore_index=True)
    scores = model.predict(features[list(model.feature_names)])
    scores.insert(0, "user_id", features["user_id"])
    return scores


def tier_shares(scores: "pd.DataFrame") -> dict[str, TierSpend]:
    """Number of users and share of all expected spend by tier."""
    spend = scores.groupby("tier", observed=True)["expected_spend"].agg(["size", "sum"])
    total = float(spend["sum"].sum()) or 1.0
    return {
        tier: TierSpend(
            users=int(spend["size"][tier]), expected_spend_share=round(float(spend["sum"][tier]) / total, 4)
        )
        for tier in TIERS
        if tier in spend.index
    }


def _with_cold_start(
    connection: SQLBackend,
    settings: Settings,
    snapshot_date: date,
    model: "PurchasingPower",
    scores: "pd.DataFrame",
) -> tuple["pd.DataFrame", list[str]]:
    """Add the scores of users without orders; all scores ordered by user_id, and warnings."""
    import pandas as pd

    count = _count(settings, WITHOUT_ORDERS, snapshot_date)
    if not count:
        return scores, []
    if model.cold_start is None:
        unscored = (
            f"{count:,} users without orders are not scored: the champion was trained by a version of Purse "
            "that could not. Train and promote a new one."
        )
        return scores, [unscored]
    attributes = snapshot_rows(connection, settings, WITHOUT_ORDERS, snapshot_date).drop("snapshot_date")
    cold = backend.answers(connection, attributes, model.predict_without_orders, COLD_ANSWERS)
    return pd.concat([scores, cold]).sort_values("user_id", ignore_index=True), []


def _require_features(settings: Settings, snapshot_date: date, model: "PurchasingPower") -> None:
    if not _count(settings, FEATURE_TABLE, snapshot_date):
        raise PurseError(
            f"There are no features of {snapshot_date}. "
            f"Run 'purse build-features --snapshot-date {snapshot_date}' first."
        )
    _require(model, tables.open_table(settings, FEATURE_TABLE).schema().to_arrow().names)


def _require(model: "PurchasingPower", columns: Container[str]) -> None:
    missing = [name for name in model.feature_names if name not in columns]
    if missing:
        raise PurseError(
            f"The model needs {len(missing)} features that this build lacks, first '{missing[0]}': the source no "
            "longer gives a column that it gave at training. Restore the column, or train and promote a new model."
        )


def _count(settings: Settings, name: str, snapshot_date: date) -> int:
    """Number of a snapshot's users in a table, read from its log."""
    if not tables.exists(settings, name):
        return 0
    return commit_log.row_counts(tables.open_table(settings, name)).get(snapshot_date, 0)
