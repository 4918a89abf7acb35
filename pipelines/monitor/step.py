"""Step `monitor`: has the champion's input, output or accuracy moved further than undisturbed data does?"""

from collections.abc import Iterator
from datetime import date, timedelta
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa

from models.measures.drift import Summary, check, persistent
from models.predictions import ORDERS
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.lake import tables
from pipelines.lake.names import ALARM, FEATURE_TABLE, MONITORING, REALISED
from pipelines.monitor.realised import Realised, measure_realised
from pipelines.monitor.report import DAYS, render
from pipelines.results.scoring import Checked, Monitored
from pipelines.retraining.reference.learned import (
    Reference,
    newest_summaries,
    read_reference,
    rows_of,
    summarise_features,
    summarise_predictions,
)
from pipelines.settings import Settings
from pipelines.tracking.artifacts import DamagedArtifact
from pipelines.tracking.champion import champion_version, warnings_about, way_out
from pipelines.tracking.runs import KIND, connect, experiment_id, run_url

if TYPE_CHECKING:
    from mlflow import MlflowClient

SNAPSHOT = "purse.snapshot_date"
NAMED = 3
"""Maximum number of checks that a reason names."""


class Verdict(NamedTuple):
    """Decision on a retraining, and its reason in one sentence."""

    alarm: bool
    reason: str
    days: int


def monitor(settings: Settings, snapshot_date: date) -> Monitored:
    """Compare a scored snapshot with the champion's reference, and matured scores with what was promised.

    Writes the table `monitoring`, an MLflow run and a page; a rerun replaces them.

    Raises:
        NothingToDo: there is no champion yet.
        PurseError: the champion or its reference is gone, the snapshot has no features, nothing of it can be compared,
            or MLflow does not answer.
    """
    version = champion_version(settings)
    features = rows_of(settings, FEATURE_TABLE, snapshot_date)
    if features.empty:
        raise PurseError(
            f"There are no features of {snapshot_date} to compare. "
            f"Run 'purse build-features --snapshot-date {snapshot_date}' and 'purse score' first."
        )
    reference, realised = _reference(settings, version), measure_realised(settings, snapshot_date)
    now, skipped = _now(settings, snapshot_date, version, features)
    skipped += warnings_about(settings, connect(settings))
    if isinstance(realised, str):
        skipped.append(realised)
    checks = _checks(settings, snapshot_date, reference, now, realised)
    if absent := sorted(reference.columns.keys() - set(checks["name"])):
        skipped.append(f"Too few rows, or none, to compare {', '.join(absent)}.")
    if checks.empty:
        raise PurseError(
            f"Nothing of {snapshot_date} could be compared with the training of champion version {version} "
            f"(nothing_measured): {' '.join(skipped)} Correct the cause, then run 'purse monitor --snapshot-date "
            f"{snapshot_date}' again."
        )
    verdict = _verdict(settings, snapshot_date, version, checks)
    _write(settings, snapshot_date, version, checks, verdict)
    violated = checks[checks["violated"]]
    facts = Checked(
        snapshot_date=snapshot_date,
        model_version=version,
        checks=len(checks),
        violated=[f"{name} {kind}" for name, kind in zip(violated["name"], violated["kind"], strict=True)],
        alarm=verdict.alarm,
        reason=verdict.reason,
        skipped=skipped,
    )
    history = _history(settings, snapshot_date - timedelta(days=DAYS), snapshot_date)
    page = render(facts, checks, history, reference, now, realised)
    path = settings.data_docs / "monitoring" / f"{snapshot_date}.html"
    write_atomically(path, page.encode())
    run_id = _log(settings, facts, checks, page)
    return Monitored(**dict(facts), data_docs=str(path), run_id=run_id, run_url=run_url(settings, run_id))


def _reference(settings: Settings, version: str) -> Reference:
    """Read the champion's reference.

    Raises:
        PurseError: it is gone or damaged; the message names the way out.
    """
    try:
        reference = read_reference(settings, version)
        problem = "its run in MLflow has none"
    except DamagedArtifact as error:
        reference, problem = None, f"it is damaged: {error.problem}"
    if reference is not None:
        return reference
    raise PurseError(
        f"Champion version {version} has no reference to compare with (reference_lost): {problem}. Its training wrote "
        f"it, and only a new training writes one. Scores go on. {way_out(settings, connect(settings), version)}"
    )


def _now(
    settings: Settings, snapshot_date: date, version: str, features: pd.DataFrame
) -> tuple[dict[str, Summary], list[str]]:
    """Summaries of today, and sentences on missing parts."""
    skipped, found = [], summarise_features(features.drop(columns="user_id"))
    scores = rows_of(settings, "predictions", snapshot_date)
    if "basis" in scores:
        scores = scores[scores["basis"] == ORDERS]
    if scores.empty or str(scores["model_version"].iloc[0]) != version:
        skipped.append(f"There are no scores of {snapshot_date} by champion version {version}: run 'purse score'.")
    else:
        found |= summarise_predictions(scores)
    return found | newest_summaries(settings, snapshot_date), skipped


def _checks(
    settings: Settings,
    snapshot_date: date,
    reference: Reference,
    now: dict[str, Summary],
    realised: Realised | str,
) -> pd.DataFrame:
    """Checks as name, kind, value, threshold and violated; furthest beyond the threshold first."""
    rows = [(name, *finding) for name, finding in find_drift(settings, snapshot_date, reference, now)]
    if isinstance(realised, Realised):
        rows += [(REALISED, *one) for one in realised.checks]
    frame = pd.DataFrame(rows, columns=["name", "kind", "value", "threshold"]).astype(
        {"name": "object", "kind": "object", "value": float, "threshold": float}
    )
    frame["violated"] = frame["value"] > frame["threshold"]
    ratio = frame["value"] / frame["threshold"].clip(lower=1e-12)
    return frame.loc[ratio.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def find_drift(
    settings: Settings, snapshot_date: date, reference: Reference, now: dict[str, Summary]
) -> Iterator[tuple[str, tuple[str, float, float]]]:
    """Yield name and finding (kind, value, threshold) of every column in both today and the reference."""
    columns, lag = reference.columns, float((snapshot_date - reference.snapshot).days)
    for name in (name for name in columns if name in now):
        for finding in check(columns[name], now[name], lag, settings.monitor.spreads):
            yield name, finding


def _verdict(settings: Settings, snapshot_date: date, version: str, checks: pd.DataFrame) -> Verdict:
    config = settings.monitor
    past = _history(settings, snapshot_date - timedelta(days=config.of_days - 1), snapshot_date)
    past = past[(past["model_version"] == version) & past["violated"] & (past["name"] != ALARM)]
    label = past["name"] + " " + past["kind"]
    by_day = [frozenset(names) for _, names in label.groupby(past["snapshot_date"])]
    violated = checks[checks["violated"]]
    names = (violated["name"] + " " + violated["kind"]).tolist()
    lasting = set(persistent([*by_day, frozenset(names)], config.days, config.of_days))
    if not lasting:
        return Verdict(alarm=False, reason=f"No check is violated on {config.days} of {config.of_days} days.", days=0)
    days = max(1 + sum(name in day for day in by_day) for name in lasting)
    worst = violated[[name in lasting for name in names]].head(NAMED)
    worst_checks = "; ".join(
        f"{one.name} {one.kind} {one.value:.3g} (normal up to {one.threshold:.3g})"
        for one in worst.itertuples(index=False)
    )
    more = f"; {len(lasting) - len(worst)} more" if len(lasting) > len(worst) else ""
    reason = f"Drift on at least {config.days} of {config.of_days} days up to {snapshot_date}: {worst_checks}{more}."
    earlier = _history(settings, snapshot_date - timedelta(days=config.pause_days), snapshot_date)
    asked = earlier.loc[(earlier["name"] == ALARM) & earlier["violated"], "snapshot_date"]
    if len(asked):
        waits = f" A retraining was asked for on {asked.max()}; the next may be {config.pause_days} days after it."
        return Verdict(alarm=False, reason=reason + waits, days=days)
    return Verdict(alarm=True, reason=reason, days=days)


def _history(settings: Settings, start: date, end: date) -> pd.DataFrame:
    """Checks of snapshots with `start <= snapshot_date < end`."""
    columns = ["snapshot_date", "name", "kind", "value", "threshold", "violated", "model_version"]
    if not tables.exists(settings, MONITORING):
        return pd.DataFrame(columns=columns).astype({"violated": bool, "name": "object", "kind": "object"})
    table = tables.read(tables.connect(), settings, MONITORING)
    past = table.filter(table.snapshot_date >= start, table.snapshot_date < end)
    return past.order_by("snapshot_date").to_pyarrow().to_pandas()[columns]


def _write(settings: Settings, snapshot_date: date, version: str, checks: pd.DataFrame, verdict: Verdict) -> None:
    alarm = {"name": ALARM, "kind": "days", "value": float(verdict.days), "threshold": float(settings.monitor.days)}
    rows = pd.DataFrame([*checks.to_dict("records"), alarm | {"violated": verdict.alarm}])
    rows = rows.assign(snapshot_date=snapshot_date, model_version=version)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    tables.replace(settings, MONITORING, table, "snapshot_date", snapshot_date, snapshot_date + timedelta(days=1))


def _log(settings: Settings, facts: Checked, checks: pd.DataFrame, page: str) -> str:
    """Log every value as `<kind>.<name>` and the page to the snapshot's run, created if new."""
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis

    client = connect(settings)
    run_id, stamp = _run(client, settings, facts.snapshot_date.isoformat()), get_current_time_millis()
    labels = checks["kind"] + "." + checks["name"]
    values: dict[str, float] = dict(zip(labels, checks["value"], strict=True))
    values |= {"violated": float(checks["violated"].sum()), "alarm": float(facts.alarm)}
    metrics = [Metric(name, value, stamp, 0) for name, value in values.items() if isfinite(value)]
    for start in range(0, len(metrics), 1000):  # MLflow's limit per request
        client.log_batch(run_id, metrics[start : start + 1000])
    client.set_tag(run_id, "model_version", facts.model_version)
    client.set_tag(run_id, "mlflow.note.content", facts.reason)
    client.log_text(run_id, page, "monitoring.html")
    client.set_terminated(run_id)
    return run_id


def _run(client: "MlflowClient", settings: Settings, snapshot_date: str) -> str:
    experiment = experiment_id(client, settings)
    query = f"tags.`{KIND}` = 'monitor' and tags.`{SNAPSHOT}` = '{snapshot_date}'"
    if runs := client.search_runs([experiment], query, max_results=1):
        return str(runs[0].info.run_id)
    tags = {KIND: "monitor", SNAPSHOT: snapshot_date}
    return str(client.create_run(experiment, tags=tags, run_name=f"monitor {snapshot_date}").info.run_id)
