"""Measure challenger, champion and baselines on the same users of the newest matured window, the test snapshot."""

import tempfile
from collections.abc import Iterator
from datetime import date
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.canary import CANARY_FILE, canary_set
from models.measures.gini import bootstrap_interval, normalized_gini, paired_bootstrap
from models.measures.metrics import coverage, measure, relative_bias
from models.predictions import HIGH, TIERS
from models.promotion import Gain
from pipelines.evaluate import plots
from pipelines.evaluate.card.card import render
from pipelines.evaluate.card.facts import Facts
from pipelines.evaluate.findings import Findings, find, profile_groups
from pipelines.evaluate.rivals import Test, predict
from pipelines.results.data import Built
from pipelines.results.decision import Compared, Evaluated, Fidelity, Slice, TierShare
from pipelines.results.result import read_result
from pipelines.results.training import Split, Trained
from pipelines.settings import Settings
from pipelines.tracking.registry import CHAMPION, MODEL_CARD_FILE, version_of
from pipelines.tracking.runs import connect, resumed_run, run_url

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Measured(TypedDict):
    """What is measured of the models themselves, see `Evaluated`."""

    users: int
    measures: dict[str, float]
    ngini_interval: tuple[float, float]
    champion: Compared | None
    champion_unusable: str | None
    baselines: dict[str, Compared]
    slices: dict[str, Slice]
    tiers: dict[str, TierShare]


TENURE = ("shortest", "middle", "longest")


def evaluate(settings: Settings, snapshot_date: date) -> Evaluated:
    """Measure on the test snapshot; log measures, tables, plots and the model card to the retraining's run.

    Raises:
        PurseError: `train` has not run, the test window has no truth yet, or MLflow or its store does not answer.
    """
    built, split = read_result(settings, snapshot_date, Built), read_result(settings, snapshot_date, Split)
    trained = read_result(settings, snapshot_date, Trained)
    client = connect(settings)
    with resumed_run(settings, trained.training_id) as run_id:
        champion_version = version_of(client, settings.mlflow.model_name, CHAMPION)
        test = predict(settings, split, trained.model_uri, champion_version)
        findings = find(settings, split, test)
        evaluated = Evaluated(
            **_measured(settings, test),
            champion_version=champion_version,
            surrogate=Fidelity(r2=findings.surrogate_r2, spearman=findings.surrogate_spearman),
            flagged_differences=int(findings.fairness["flagged"].sum()),
            run_id=run_id,
            run_url=run_url(settings, run_id),
        )
        _log(test, evaluated, findings)
        tags = client.get_run(run_id).data.tags
        card, note = render(Facts(settings, built, split, trained, evaluated, findings, tags))
        client.log_text(run_id, card, MODEL_CARD_FILE)
        client.set_tag(run_id, "mlflow.note.content", note)
    return evaluated


def slices(features: pd.DataFrame, min_users: int = 1) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names and rows of the groups that are looked at one by one: each value of a profile column, thirds of tenure."""
    yield from profile_groups(features, min_users).items()
    if "T" in features and len(features) >= len(TENURE):
        thirds = features["T"].rank(method="average", pct=True).fillna(0)
        for number, name in enumerate(TENURE):
            yield f"tenure={name}", (thirds > number / 3).to_numpy() & (thirds <= (number + 1) / 3).to_numpy()


def _measured(settings: Settings, test: Test) -> Measured:
    """Measures of all models on the test users."""
    spend, everyone = test.users.future_spend.to_numpy(), np.ones(len(test.users), dtype=bool)
    samples, seed = settings.promotion.bootstrap_samples, settings.training.seed
    expected = test.challenger["expected_spend"].to_numpy()
    low, high = bootstrap_interval(spend, expected, samples, seed)
    baselines = {
        name: Compared(measures=_measures(settings, test, rival), gain=_gain(settings, test, rival, everyone))
        for name, rival in test.baselines.items()
    }
    champion = None
    if test.champion is not None:
        gain = _gain(settings, test, test.champion, everyone)
        champion = Compared(measures=_measures(settings, test, test.champion), gain=gain)
    return {
        "users": len(test.users),
        "measures": _measures(settings, test, test.challenger),
        "ngini_interval": (low, high),
        "champion": champion,
        "champion_unusable": test.champion_unusable,
        "baselines": baselines,
        "slices": _sliced(settings, test),
        "tiers": _tier_shares(test),
    }


def _measures(settings: Settings, test: Test, said: pd.DataFrame) -> dict[str, float]:
    shares = settings.scoring.tier_shares
    users, tier = test.users, said.get("tier")
    measures = measure(
        users.future_spend,
        users.purchased,
        said["expected_spend"],
        said["purchase_probability"],
        tier,
        tier_shares=shares,
    )
    if "spend_low" in said:  # baselines give no interval
        measures["interval_coverage"] = coverage(users.future_spend, said["spend_low"], said["spend_high"])
    return measures


def _gain(settings: Settings, test: Test, rival: pd.DataFrame, rows: NDArray[np.bool_]) -> Gain:
    """The challenger's gain over another model on some rows."""
    spend, ours, theirs = (
        column.to_numpy()[rows]
        for column in (test.users.future_spend, test.challenger["expected_spend"], rival["expected_spend"])
    )
    samples, seed = settings.promotion.bootstrap_samples, settings.training.seed
    return Gain(*paired_bootstrap(spend, ours, theirs, samples, seed))


def _sliced(settings: Settings, test: Test) -> dict[str, Slice]:
    """Each slice with at least promotion.min_slice_users users, with the gain over the champion if there is one."""
    result, least = {}, settings.promotion.min_slice_users
    for name, rows in slices(test.users.features, least):
        if rows.sum() >= least:
            spend, said = test.users.future_spend[rows], test.challenger[rows]
            expected = said["expected_spend"]
            result[name] = Slice(
                users=int(rows.sum()),
                ngini=normalized_gini(spend, expected),
                bias=relative_bias(spend, expected),
                mean_spend=float(spend.mean()),
                mean_expected=float(expected.mean()),
                high_share=float((said["tier"] == HIGH).mean()),
                gain=None if test.champion is None else _gain(settings, test, test.champion, rows),
            )
    return result


def _tier_shares(test: Test) -> dict[str, TierShare]:
    """Of each predicted tier: its users, and its shares of all users and of true spend (net spend below 0 is 0)."""
    spend, result = test.users.future_spend.clip(lower=0).to_numpy(), {}
    for tier in TIERS:
        rows = (test.challenger["tier"] == tier).to_numpy()
        share = float(spend[rows].sum() / spend.sum()) if spend.sum() > 0 else 0.0
        result[tier] = TierShare(users=int(rows.sum()), user_share=float(rows.mean()), spend_share=share)
    return result


def _log(test: Test, evaluated: Evaluated, findings: Findings) -> None:
    """Measures as `test_<measure>` and `<model>_<measure>`, tables, per-user predictions and pictures."""
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
    for name, found in findings.tables.items():
        mlflow.log_text(found.to_json(orient="records", indent=1), f"{name}.json")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test_predictions.parquet"
        _per_user(test).to_parquet(path, index=False)
        mlflow.log_artifact(str(path))
        path = Path(folder) / CANARY_FILE
        canary_set(test.user_id, test.users.features, test.challenger, test.model).to_parquet(path, index=False)
        mlflow.log_artifact(str(path))
    for name, figure in _figures(test, findings).items():
        mlflow.log_figure(figure, f"plots/{name}.png")


def _per_user(test: Test) -> pd.DataFrame:
    frame = test.challenger.assign(
        user_id=test.user_id, future_spend=test.users.future_spend, purchased=test.users.purchased
    )
    if test.champion is not None:
        frame["champion_expected_spend"] = test.champion["expected_spend"]
    return frame


def _figures(test: Test, findings: Findings) -> dict[str, "Figure"]:
    spend, expected = test.users.future_spend, test.challenger["expected_spend"]
    rivals = {"challenger": expected, **{name: said["expected_spend"] for name, said in test.baselines.items()}}
    if test.champion is not None:
        rivals["champion"] = test.champion["expected_spend"]
    return {
        "calibration": plots.calibration_by_decile(findings.deciles),
        "gain_curve": plots.gain_curve(spend, rivals),
        "score_distribution": plots.score_distribution(expected, test.challenger["tier"]),
        "feature_importance": plots.feature_importance(findings.importances),
    }
