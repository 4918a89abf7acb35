"""Measure challenger, champion and baselines on the same users of the test snapshot, the newest matured window."""

import tempfile
from collections.abc import Iterator
from datetime import date
from math import isfinite
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.canary import CANARY_FILE, canary_set
from models.measures.comparison import bias_error
from models.measures.gini import bootstrap_interval, normalized_gini, paired_bootstrap, standard_error
from models.measures.metrics import coverage, measure, relative_bias
from models.predictions import HIGH, TIERS
from models.promotion import Gain
from pipelines.errors import PurseError
from pipelines.evaluate import plots
from pipelines.evaluate.card.card import render
from pipelines.evaluate.card.facts import Facts
from pipelines.evaluate.compared_models import ComparedModels, predict
from pipelines.evaluate.findings import Findings, find, profile_groups
from pipelines.results.data import Built
from pipelines.results.decision import Compared, Evaluated, Fidelity, Slice, TierShare
from pipelines.results.result import read_result
from pipelines.results.training import Split, Trained
from pipelines.settings import Settings
from pipelines.tracking.champion import find_champion
from pipelines.tracking.champion_state import Champion
from pipelines.tracking.registry import MODEL_CARD_FILE, baseline_of
from pipelines.tracking.runs import connect, resumed_run, run_state, run_url


class Measured(TypedDict):
    """Measures of the models; see `Evaluated`."""

    users: int
    measures: dict[str, float]
    ngini_interval: tuple[float, float]
    ngini_error: float
    bias_error: float
    champion: Compared | None
    champion_unusable: str | None
    baselines: dict[str, Compared]
    slices: dict[str, Slice]
    tiers: dict[str, TierShare]


LONGEST_TAG = 300
"""Maximum characters of a tag from MLflow that the model card repeats."""

TENURE = ("shortest", "middle", "longest")
"""Names of the thirds of users by days since their first purchase."""


def evaluate(settings: Settings, snapshot_date: date) -> Evaluated:
    """Measure all models on the test snapshot; log measures, tables, plots and the model card to the retraining's run.

    Raises:
        PurseError: `train` has not run, its run was deleted, the true spend of the test window is unknown, or MLflow or
            its store does not answer.
    """
    built, split = read_result(settings, snapshot_date, Built), read_result(settings, snapshot_date, Split)
    trained = read_result(settings, snapshot_date, Trained)
    champion = find_champion(settings, connect(settings))
    if trained.stand_in:  # for its card, canary set and promises; the model is compared with all baselines anyway
        _evaluate(settings, built, split, trained.stand_in, None)
    return _evaluate(settings, built, split, trained, champion)


def _evaluate(settings: Settings, built: Built, split: Split, trained: Trained, champion: Champion | None) -> Evaluated:
    client, stand_in = connect(settings), trained.stand_in
    if run_state(client, trained.run_id) != "active":
        raise PurseError(
            f"The run {trained.run_id} of this training was deleted in MLflow (run_deleted). Train again with 'purse "
            f"train --snapshot-date {split.snapshot_date}', then evaluate and register."
        )
    with resumed_run(settings, trained.training_id, "baseline" if trained.baseline else "retraining") as run_id:
        compared = predict(settings, split, trained, champion)
        findings = find(settings, split, compared)
        evaluated = Evaluated(
            **_measured(settings, compared),
            validation_ngini=trained.validation_ngini,
            validation_error=trained.validation_error,
            champion_version=champion.version if champion else None,
            champion_baseline=baseline_of(client, settings.mlflow.model_name, champion.version) if champion else None,
            stand_in=stand_in.baseline if stand_in else None,
            surrogate=Fidelity(r2=findings.surrogate_r2, spearman=findings.surrogate_spearman),
            flagged_differences=int(findings.fairness["flagged"].sum()),
            run_id=run_id,
            run_url=run_url(settings, run_id),
        )
        _log(compared, evaluated, findings)
        tags = {name: value[:LONGEST_TAG] for name, value in client.get_run(run_id).data.tags.items()}
        card, note = render(Facts(settings, built, split, trained, evaluated, findings, tags))
        client.log_text(run_id, card, MODEL_CARD_FILE)
        client.set_tag(run_id, "mlflow.note.content", note)
    return evaluated


def slices(features: pd.DataFrame, min_users: int = 1) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield name and mask of each slice of users: values of profile columns, thirds of tenure."""
    yield from profile_groups(features, min_users).items()
    if "T" in features and len(features) >= len(TENURE):
        thirds = features["T"].rank(method="average", pct=True).fillna(0)
        for number, name in enumerate(TENURE):
            yield f"tenure={name}", (thirds > number / 3).to_numpy() & (thirds <= (number + 1) / 3).to_numpy()


def _measured(settings: Settings, compared: ComparedModels) -> Measured:
    """Measure all models on the test users."""
    spend, everyone = compared.users.future_spend.to_numpy(), np.ones(len(compared.users), dtype=bool)
    samples, seed = settings.promotion.bootstrap_samples, settings.training.seed
    expected = compared.challenger["expected_spend"].to_numpy()
    low, high = bootstrap_interval(spend, expected, samples, seed)
    baselines = {
        name: Compared(
            measures=_measures(settings, compared, predictions), gain=_gain(settings, compared, predictions, everyone)
        )
        for name, predictions in compared.baselines.items()
    }
    champion = None
    if compared.champion is not None:
        gain = _gain(settings, compared, compared.champion, everyone)
        champion = Compared(measures=_measures(settings, compared, compared.champion), gain=gain)
    return {
        "users": len(compared.users),
        "measures": _measures(settings, compared, compared.challenger),
        "ngini_interval": (low, high),
        "ngini_error": standard_error(spend, expected, samples, seed),
        "bias_error": bias_error(spend, expected),
        "champion": champion,
        "champion_unusable": compared.champion_unusable,
        "baselines": baselines,
        "slices": _sliced(settings, compared),
        "tiers": _tier_shares(compared),
    }


def _measures(settings: Settings, compared: ComparedModels, predictions: pd.DataFrame) -> dict[str, float]:
    shares = settings.scoring.tier_shares
    users, tier = compared.users, predictions.get("tier")
    measures = measure(
        users.future_spend,
        users.purchased,
        predictions["expected_spend"],
        predictions["purchase_probability"],
        tier,
        tier_shares=shares,
    )
    if "spend_low" in predictions:  # baselines have no interval
        low, high = predictions["spend_low"], predictions["spend_high"]
        measures["interval_coverage"] = coverage(users.future_spend, low, high)
    return measures


def _gain(settings: Settings, compared: ComparedModels, other: pd.DataFrame, rows: NDArray[np.bool_]) -> Gain:
    """Challenger's gain over another model's predictions, on the chosen rows."""
    spend, ours, theirs = (
        column.to_numpy()[rows]
        for column in (compared.users.future_spend, compared.challenger["expected_spend"], other["expected_spend"])
    )
    samples, seed = settings.promotion.bootstrap_samples, settings.training.seed
    return Gain(*paired_bootstrap(spend, ours, theirs, samples, seed))


def _sliced(settings: Settings, compared: ComparedModels) -> dict[str, Slice]:
    """Measure slices with at least promotion.min_slice_users users, and the gain over the champion if there is one."""
    result, min_users = {}, settings.promotion.min_slice_users
    for name, rows in slices(compared.users.features, min_users):
        if rows.sum() >= min_users:
            spend, predictions = compared.users.future_spend[rows], compared.challenger[rows]
            expected = predictions["expected_spend"]
            result[name] = Slice(
                users=int(rows.sum()),
                ngini=normalized_gini(spend, expected),
                bias=relative_bias(spend, expected),
                mean_spend=float(spend.mean()),
                mean_expected=float(expected.mean()),
                high_share=float((predictions["tier"] == HIGH).mean()),
                gain=None if compared.champion is None else _gain(settings, compared, compared.champion, rows),
            )
    return result


def _tier_shares(compared: ComparedModels) -> dict[str, TierShare]:
    """Count the users of each predicted tier; compute its share of users and of true spend (net spend below 0 is 0)."""
    spend, result = compared.users.future_spend.clip(lower=0).to_numpy(), {}
    for tier in TIERS:
        rows = (compared.challenger["tier"] == tier).to_numpy()
        share = float(spend[rows].sum() / spend.sum()) if spend.sum() > 0 else 0.0
        result[tier] = TierShare(users=int(rows.sum()), user_share=float(rows.mean()), spend_share=share)
    return result


def _log(compared: ComparedModels, evaluated: Evaluated, findings: Findings) -> None:
    """Log measures as `test_<measure>` and `<model>_<measure>`, tables, predictions per user, and plots."""
    import mlflow

    sides = {"test": evaluated.measures}
    sides |= {f"baseline_{name}": side.measures for name, side in evaluated.baselines.items()}
    if evaluated.champion:
        sides["champion"] = evaluated.champion.measures
    metrics = {f"{side}_{name}": value for side, values in sides.items() for name, value in values.items()}
    metrics |= {"test_ngini_low": evaluated.ngini_interval[0], "test_ngini_high": evaluated.ngini_interval[1]}
    metrics |= {"surrogate_r2": evaluated.surrogate.r2, "surrogate_spearman": evaluated.surrogate.spearman}
    mlflow.log_metrics({name: value for name, value in metrics.items() if isfinite(value)})
    mlflow.log_dict({name: part.model_dump() for name, part in evaluated.slices.items()}, "slices.json")
    for name, table in findings.tables.items():
        mlflow.log_text(table.to_json(orient="records", indent=1), f"{name}.json")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test_predictions.parquet"
        _per_user(compared).to_parquet(path, index=False)
        mlflow.log_artifact(str(path))
        path = Path(folder) / CANARY_FILE
        canary = canary_set(compared.users.features, compared.challenger, compared.model)
        canary.to_parquet(path, index=False)
        mlflow.log_artifact(str(path))
    for name, figure in plots.figures(compared, findings).items():
        mlflow.log_figure(figure, f"plots/{name}.png")


def _per_user(compared: ComparedModels) -> pd.DataFrame:
    """Predictions and true spend without ids; sorted by prediction, so that a row's place doesn't say whose it is."""
    frame = compared.challenger.assign(future_spend=compared.users.future_spend, purchased=compared.users.purchased)
    if compared.champion is not None:
        frame["champion_expected_spend"] = compared.champion["expected_spend"]
    return frame.sort_values("expected_spend", kind="stable", ignore_index=True)
