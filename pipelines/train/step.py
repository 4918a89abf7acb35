"""Refit the sweep's best families on the newest matured snapshots, blend them and log the model to MLflow."""

import shutil
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from models.level.forecast import Level
from models.score.blend import blend
from pipelines.errors import UnusableModel
from pipelines.results.data import Built
from pipelines.results.result import read_result
from pipelines.results.training import ColdStartFacts, Interval, MemberChoice, Split, Trained
from pipelines.retraining.level import forecast_level
from pipelines.retraining.reference.learned import FILE, learn_reference
from pipelines.retraining.study import study
from pipelines.retraining.study.finish import finish
from pipelines.retraining.study.trial import Predictions, read_folds, read_predictions, run_trial
from pipelines.retraining.study.trial_runs import mark_winners
from pipelines.retraining.training_set import Labelled, read_labelled
from pipelines.settings import Settings
from pipelines.tracking import logged_model, seals
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.registry import BASELINE
from pipelines.tracking.runs import connect, resumed_run, run_url
from pipelines.train import run_facts, stand_in
from pipelines.train.fit import checkpoints, fit

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

    from models.cold_start.model import ColdStart
    from models.purchasing_power import PurchasingPower

RESULT = "purse.trained"
"""Tag of the parent run: the result of a complete training. It is set last."""

SEAL = "purse.trained_seal"
"""Tag of the parent run: seal of `RESULT`."""

EXAMPLES = 5
"""Rows of the logged input example."""

Inputs: TypeAlias = tuple[Level, Labelled, Labelled]
"""Forecast level at the test snapshot, and the labelled users of the final and of the test snapshots."""


def train(settings: Settings, snapshot_date: date) -> Trained:
    """Finish the sweep, then fit and log the model. The same data and settings are trained only once.

    Where no model is champion yet, the baseline that can score until then is fitted and logged too, to its own run.

    Raises:
        PurseError: `build_features` or `split` has not run, every trial failed, or MLflow does not answer.
    """
    split, built = read_result(settings, snapshot_date, Split), read_result(settings, snapshot_date, Built)
    client = connect(settings)
    with resumed_run(settings, split.training_id, system_metrics=True) as run_id:
        trained = _once(settings, client, run_id, lambda: _train(settings, split, built, run_id, client))
    shutil.rmtree(checkpoints(settings, split.training_id), ignore_errors=True)  # a complete training never resumes
    if not stand_in.is_needed(settings, client, split):
        return trained
    with resumed_run(settings, split.training_id, "baseline") as run_id:
        baseline = _once(settings, client, run_id, lambda: _train_stand_in(settings, split, built, run_id, client))
    return trained.model_copy(update={"stand_in": baseline})


def _once(settings: Settings, client: "MlflowClient", run_id: str, fit_model: Callable[[], Trained]) -> Trained:
    """Result of a run's complete training, or of a new one, which is written to the run."""
    trained = _earlier(settings, run_id, client.get_run(run_id).data.tags) or fit_model()
    result = trained.model_dump_json()
    client.set_tag(run_id, SEAL, seals.seal(settings.home_path, RESULT, run_id, result))
    client.set_tag(run_id, RESULT, result)
    return trained


def _earlier(settings: Settings, run_id: str, tags: Mapping[str, str]) -> Trained | None:
    """Result of an earlier complete training; None without one, if this home did not write it, or its model is gone."""
    result = tags.get(RESULT)
    if result is None or not seals.is_sealed(settings.home_path, tags.get(SEAL, ""), RESULT, run_id, result):
        return None
    trained = Trained.model_validate_json(result)
    try:
        logged_model.load_model(settings, trained.model)
    except UnusableModel:
        return None
    return trained


class Fitted(NamedTuple):
    """A fitted model with its members, its validation nGini and the standard error of it."""

    model: "PurchasingPower"
    members: list[MemberChoice]
    ngini: float
    error: float


def _train(settings: Settings, split: Split, built: Built, run_id: str, client: "MlflowClient") -> Trained:
    sweep = finish(settings, split, run_id)
    finalists = study.best_by_family(sweep)[: settings.training.finalists]
    predictions, spend = _out_of_time(sweep, split, finalists)
    blended = blend(predictions, spend, settings.training.seed)
    by_weight = sorted(zip(blended.weights, finalists, strict=True), key=lambda pair: -pair[0])
    members = [
        MemberChoice(family=trial.user_attrs["family"], weight=weight, params=trial.user_attrs["all_params"])
        for weight, trial in by_weight
        if weight > 0
    ]
    level, training, test = _inputs(settings, split)
    model = fit(settings, split, members, (blended.predictions, spend), level, training, test.users.features)
    _delete_unfinished(client, settings, run_id)
    mark_winners(client, sweep, {trial.number: weight for weight, trial in by_weight})
    _, error = stand_in.mean_ngini(blended.predictions, spend, settings.training.seed)
    fitted = Fitted(model, members, blended.ngini, error)
    return _log(settings, split, built, run_id, client, fitted, (level, training, test))


def _train_stand_in(settings: Settings, split: Split, built: Built, run_id: str, client: "MlflowClient") -> Trained:
    chosen, (level, training, test) = stand_in.choose(settings, split), _inputs(settings, split)
    spend = _validation_spend(settings, split)
    model = stand_in.fit_stand_in(settings, split, chosen, spend, level, training, test.users.features)
    _delete_unfinished(client, settings, run_id)
    client.set_tag(run_id, BASELINE, chosen.name)
    members = [MemberChoice(family=chosen.name, weight=1.0, params={})]
    fitted = Fitted(model, members, chosen.ngini, chosen.error)
    return _log(settings, split, built, run_id, client, fitted, (level, training, test))


def _inputs(settings: Settings, split: Split) -> Inputs:
    training, test = (read_labelled(settings, split, days) for days in (split.final, [split.test]))
    return forecast_level(settings, split.test), training, test


def _log(
    settings: Settings,
    split: Split,
    built: Built,
    run_id: str,
    client: "MlflowClient",
    fitted: Fitted,
    inputs: Inputs,
) -> Trained:
    """Log a fitted model with the facts of its training to the active run."""
    (model, members, ngini, error), (level, training, test) = fitted, inputs
    family = " + ".join(member.family for member in members)
    params = {f"{member.family}.{name}": value for member in members for name, value in member.params.items()}
    run_facts.log_context(client, settings, run_id, built)
    run_facts.log_outcome(settings, split, family, params, (ngini, error))
    run_facts.log_level(settings, split, level)
    preprocessing = run_facts.log_preprocessing(settings, training.users.features, model)
    client.log_dict(run_id, learn_reference(settings, split, model, training, test), FILE)
    features = test.users.features[list(model.feature_names)]
    # the most complete rows: the signature is inferred from their values
    example = features.loc[features.notna().sum(axis=1).nlargest(EXAMPLES, keep="first").index]
    logged = logged_model.log_model(model, example, [member.family for member in members], run_id)
    return Trained(
        training_id=split.training_id,
        model=logged,
        family=family,
        params=params,
        members=members,
        validation_ngini=ngini,
        validation_error=error,
        user_folds=settings.snapshots.user_folds,
        level=Interval(expected=level.expected, low=level.low, high=level.high),
        windows=model.windows,
        cold_start=_cold_start_facts(model.cold_start),
        preprocessing=preprocessing,
        run_id=run_id,
        run_url=run_url(settings, run_id),
        baseline=model.baseline,
    )


def _cold_start_facts(cold_start: "ColdStart | None") -> ColdStartFacts | None:
    if cold_start is None:
        return None
    by = "boosted trees" if cold_start.learner else "the mean of their segment"
    return ColdStartFacts(
        learned_from=cold_start.learned_from, by=by, segments=[str(name) for name in cold_start.segments.columns]
    )


def _out_of_time(
    sweep: study.Sweep, split: Split, finalists: "list[FrozenTrial]"
) -> tuple[list[Predictions], Predictions]:
    """Read each finalist's stored out-of-time predictions, and the true spend, both by fold.

    Run a trial again if its file is gone.
    """
    settings, predictions = sweep.settings, []
    for trial in finalists:
        stored = read_predictions(sweep, trial)
        if stored is None:
            family, params = trial.user_attrs["family"], trial.user_attrs["all_params"]
            stored, _ = run_trial(settings, family, params, read_folds(settings, split), split.label_days)
        predictions.append(stored)
    return predictions, _validation_spend(settings, split)


def _validation_spend(settings: Settings, split: Split) -> Predictions:
    """True spend of the users of each fold's validation snapshot."""
    folds = (read_labelled(settings, split, [fold.validation], names=[]) for fold in split.folds)
    return [fold.users.future_spend.to_numpy() for fold in folds]


def _delete_unfinished(client: "MlflowClient", settings: Settings, run_id: str) -> None:
    """Delete models that a killed training logged: no registered version refers to them."""
    experiments = [experiment_id(client, settings)]
    registered = {version.source for version in client.search_model_versions(f"run_id = '{run_id}'")}
    for model in client.search_logged_models(experiments, filter_string=f"source_run_id = '{run_id}'"):
        if model.model_uri not in registered:
            client.delete_logged_model(model.model_id)
