"""Log the facts of a training to its MLflow run: data, members, level and preprocessing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import mlflow
import pandas as pd

from models.level.forecast import Level
from models.purchasing_power import PurchasingPower
from pipelines.lake import tables
from pipelines.results.data import Built
from pipelines.results.training import Param, PreprocessingFacts, Split
from pipelines.retraining.fitting import unfitted_preprocessing
from pipelines.retraining.level import backtest_level
from pipelines.settings import Settings
from pipelines.tracking.runs import git_commit, log_data

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOGGED_TABLES = (("training_sets", "training"), ("features", "features"), ("raw/order_lines", "source"))
"""Lake tables whose versions are logged, with their MLflow context."""

FURTHEST = 3
"""Number of columns with most outliers that the model card names."""


def log_context(client: "MlflowClient", settings: Settings, run_id: str, built: Built) -> None:
    """Log commit, lake table versions and features."""
    mlflow.set_tag("git_commit", git_commit())
    for table, context in LOGGED_TABLES:
        if tables.exists(settings, table):
            version = tables.version(settings, table)
            log_data(client, settings, run_id, table, version, context)
            mlflow.set_tag(f"lake.{table.replace('/', '.')}", version)
    mlflow.log_dict({"features": built.features, "left_out": built.left_out}, "features.json")


def log_outcome(
    settings: Settings, split: Split, family: str, params: Mapping[str, Param], validation: tuple[float, float]
) -> None:
    """Log the blend's members and hyperparameters, the snapshots, and the validation nGini with its standard error."""
    mlflow.set_tag("family", family)
    final = ", ".join(day.isoformat() for day in split.final)
    mlflow.log_params({"family": family, **params, "source": settings.source, "test": str(split.test), "final": final})
    mlflow.log_params({"horizon_days": split.horizon_days, "label_days": split.label_days})
    names = ("validation_ngini", "validation_ngini_error")
    mlflow.log_metrics(dict(zip(names, validation, strict=True)))
    mlflow.log_metrics({"training_rows": sum(split.rows[day] for day in split.final)})
    mlflow.log_metrics({"user_folds": settings.snapshots.user_folds})


def log_level(settings: Settings, split: Split, level: Level) -> None:
    """Log the forecast of total spend at the test snapshot, and earlier forecasts beside the actual totals."""
    numbers = {"expected": level.expected, "low": level.low, "high": level.high, "known_share": level.known_share}
    mlflow.log_metrics({f"level_{name}": value for name, value in numbers.items()})
    past = backtest_level(settings, split.test)
    mlflow.log_text(past.to_csv(index=False), "level_backtest.csv")


def log_preprocessing(settings: Settings, features: pd.DataFrame, model: PurchasingPower) -> PreprocessingFacts:
    """Log gaps and outliers of every feature in the training window; return a summary for the model card."""
    preprocessing = model.preprocessing or unfitted_preprocessing(settings)
    report = preprocessing.report(features)
    mlflow.log_text(report.to_csv(index=False), "preprocessing.csv")
    furthest = report[report["outside_share"] > 0].nlargest(FURTHEST, "outside_share")
    return PreprocessingFacts(
        dropped=list(preprocessing.dropped),
        filled=[*preprocessing.indicated, *preprocessing.fills],
        winsorised=list(preprocessing.limits),
        with_gaps=int((report["missing_share"] > 0).sum()),
        with_outliers=int((report["outside_share"] > 0).sum()),
        furthest=dict(zip(furthest["column"], furthest["outside_share"].astype(float), strict=True)),
    )
