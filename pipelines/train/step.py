"""Refit the best families of the sweep on the newest matured snapshots, blend them and log the model to MLflow."""

import json
import logging
import shutil
from datetime import date
from typing import TYPE_CHECKING, Any

from models.score.blend import blend
from pipelines.lake import tables
from pipelines.results import read_result
from pipelines.retraining.fitting import unfitted_preprocessing
from pipelines.retraining.level import backtest_level, forecast_level
from pipelines.retraining.reference.learned import FILE, learn_reference
from pipelines.retraining.study import study
from pipelines.retraining.study.finish import finish
from pipelines.retraining.study.trial import Predictions, read_folds, read_predictions, run_trial
from pipelines.retraining.training_set import read_labelled
from pipelines.settings import Settings
from pipelines.tracking import logged_model
from pipelines.tracking.runs import connect, experiment_id, git_commit, log_data, resumed_run, run_url
from pipelines.train.fit import checkpoints, fit

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

    from models.cold_start.model import ColdStart
    from models.level.forecast import Level
    from models.purchasing_power import PurchasingPower

RESULT = "purse.trained"
"""Tag of the parent run, set last: the result of a training that is complete."""

log = logging.getLogger(__name__)


def train(settings: Settings, snapshot_date: date) -> dict[str, Any]:
    """Finish the sweep, then fit and log the model; the same data and settings are not trained twice.

    Raises:
        PurseError: `split` has not run, every trial failed, or MLflow does not answer.
    """
    split = read_result(settings, snapshot_date, "split")
    client = connect(settings)
    with resumed_run(settings, split["training_id"], system_metrics=True) as run_id:
        tags = client.get_run(run_id).data.tags
        result: dict[str, Any] = json.loads(tags[RESULT]) if RESULT in tags else _train(settings, snapshot_date, run_id)
        client.set_tag(run_id, RESULT, json.dumps(result))
    shutil.rmtree(checkpoints(settings, split["training_id"]), ignore_errors=True)  # nothing is left to resume
    return {**result, "run_id": run_id, "run_url": run_url(settings, run_id)}


def _train(settings: Settings, snapshot_date: date, run_id: str) -> dict[str, Any]:
    split = read_result(settings, snapshot_date, "split")
    swept = finish(settings, snapshot_date, run_id)
    finalists = study.best_by_family(swept)[: settings.training.finalists]
    said, spend = _out_of_time(swept, snapshot_date, finalists)
    blended = blend(said, spend, settings.training.seed)
    weighted = sorted(zip(blended.weights, finalists, strict=True), key=lambda pair: -pair[0])
    members = [
        {"family": trial.user_attrs["family"], "weight": weight, "params": trial.user_attrs["all_params"]}
        for weight, trial in weighted
        if weight > 0
    ]
    level = forecast_level(settings, date.fromisoformat(split["test"]))
    model, example = fit(settings, snapshot_date, members, (blended.predictions, spend), level)
    client = connect(settings)
    _delete_unfinished(client, settings, run_id)
    _log_context(settings, snapshot_date)
    params = {f"{member['family']}.{name}": value for member in members for name, value in member["params"].items()}
    family = " + ".join(member["family"] for member in members)
    _log_outcome(settings, split, {"family": family, **params}, blended.ngini)
    _log_level(settings, split, level)
    preprocessing = _log_preprocessing(settings, snapshot_date, model)
    client.log_dict(run_id, learn_reference(settings, snapshot_date, model), FILE)
    return {
        "training_id": split["training_id"],
        "model_uri": logged_model.log_model(model, example, [member["family"] for member in members]),
        "family": family,
        "params": params,
        "members": members,
        "validation_ngini": blended.ngini,
        "level": {"expected": level.expected, "low": level.low, "high": level.high},
        "windows": model.windows,
        "cold_start": _described(model.cold_start),
        "preprocessing": preprocessing,
    }


def _described(cold_start: "ColdStart | None") -> dict[str, Any] | None:
    """What scores users without orders, for the model card."""
    if cold_start is None:
        return None
    by = "boosted trees" if cold_start.learner else "the mean of their segment"
    return {"learned_from": cold_start.learned_from, "by": by, "segments": list(cold_start.segments.columns)}


def _out_of_time(
    swept: study.Sweep, snapshot_date: date, finalists: "list[FrozenTrial]"
) -> tuple[list[Predictions], Predictions]:
    """What each finalist said of each fold's users, as its trial kept it, and what they spent.

    A trial whose file is gone is run again.
    """
    settings = swept.settings
    split = read_result(settings, snapshot_date, "split")
    predictions = []
    for trial in finalists:
        kept = read_predictions(swept, trial)
        if kept is None:
            family, params = trial.user_attrs["family"], trial.user_attrs["all_params"]
            folds = read_folds(settings, snapshot_date)
            kept, _ = run_trial(settings, family, params, folds, split["label_days"])
        predictions.append(kept)
    days = [date.fromisoformat(fold["validation"]) for fold in split["folds"]]
    spend = [read_labelled(settings, snapshot_date, [day])[1].future_spend.to_numpy() for day in days]
    return predictions, spend


def _delete_unfinished(client: "MlflowClient", settings: Settings, run_id: str) -> None:
    """Delete the models that a killed training logged: without its result nothing refers to them."""
    experiments = [experiment_id(client, settings)]
    for model in client.search_logged_models(experiments, filter_string=f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)


def _log_context(settings: Settings, snapshot_date: date) -> None:
    """What the model was made from: commit, lake versions, features."""
    import mlflow

    built = read_result(settings, snapshot_date, "build_features")
    mlflow.set_tag("git_commit", git_commit())
    for table, context in (("training_sets", "training"), ("features", "features"), ("raw/order_lines", "source")):
        if tables.exists(settings, table):
            version = tables.version(settings, table)
            log_data(settings, table, version, context)
            mlflow.set_tag(f"lake.{table.replace('/', '.')}", version)
    mlflow.log_dict({"features": built["features"], "left_out": built["left_out"]}, "features.json")


def _log_outcome(settings: Settings, split: dict[str, Any], params: dict[str, Any], ngini: float) -> None:
    import mlflow

    mlflow.set_tag("family", params["family"])
    mlflow.log_params({**params, "source": settings.source, "test": split["test"], "final": ", ".join(split["final"])})
    mlflow.log_params({name: split[name] for name in ("horizon_days", "label_days")})
    mlflow.log_metrics({"validation_ngini": ngini, "training_rows": sum(split["rows"][day] for day in split["final"])})


def _log_level(settings: Settings, split: dict[str, Any], level: "Level") -> None:
    """The forecast of the total at the test snapshot, and how such forecasts did before it."""
    import mlflow

    numbers = {"expected": level.expected, "low": level.low, "high": level.high, "known_share": level.known_share}
    mlflow.log_metrics({f"level_{name}": value for name, value in numbers.items()})
    past = backtest_level(settings, date.fromisoformat(split["test"]))
    mlflow.log_text(past.to_csv(index=False), "level_backtest.csv")


def _log_preprocessing(settings: Settings, snapshot_date: date, model: "PurchasingPower") -> dict[str, Any]:
    """What is missing and far out in the training window, for every feature; a summary for the model card."""
    import mlflow

    days = [date.fromisoformat(day) for day in read_result(settings, snapshot_date, "split")["final"]]
    preprocessing = model.preprocessing or unfitted_preprocessing(settings)
    found = preprocessing.report(read_labelled(settings, snapshot_date, days)[1].features)
    mlflow.log_text(found.to_csv(index=False), "preprocessing.csv")
    furthest = found[found["outside_share"] > 0].nlargest(3, "outside_share")
    return {
        "dropped": preprocessing.dropped,
        "filled": [*preprocessing.indicated, *preprocessing.fills],
        "winsorised": list(preprocessing.limits),
        "with_gaps": int((found["missing_share"] > 0).sum()),
        "with_outliers": int((found["outside_share"] > 0).sum()),
        "furthest": dict(zip(furthest["column"], furthest["outside_share"], strict=True)),
    }
