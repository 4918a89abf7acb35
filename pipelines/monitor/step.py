"""Step `monitor`: has the champion's input, output or accuracy moved further than undisturbed data does?"""

from datetime import date, timedelta
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from models.measures.drift import Summary
from models.measures.passage import WEEKS
from models.predictions import ORDERS
from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.lake import tables
from pipelines.lake.names import ALARM, FEATURE_TABLE, MONITORING, REALISED
from pipelines.monitor.checks import find_drift, find_falls, frame
from pipelines.monitor.realised import Realised, measure_realised
from pipelines.monitor.report import DAYS, render
from pipelines.monitor.verdict import Verdict, decide
from pipelines.results.scoring import Checked, Monitored
from pipelines.retraining.reference.days import count_days
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
from pipelines.tracking.champion_state import Champion
from pipelines.tracking.experiments import monitoring_id
from pipelines.tracking.registry import baseline_of
from pipelines.tracking.runs import KIND, connect, run_url

if TYPE_CHECKING:
    from mlflow import MlflowClient

SNAPSHOT = "purse.snapshot_date"


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
    history = _history(settings, snapshot_date - timedelta(days=DAYS), snapshot_date)
    checks = _checks(settings, snapshot_date, reference, now, realised, history[history["model_version"] == version])
    if absent := sorted(reference.columns.keys() - set(checks["name"])):
        skipped.append(f"Too few rows, or none, to compare {', '.join(absent)}.")
    if checks.empty:
        raise PurseError(
            f"Nothing of {snapshot_date} could be compared with the training of champion version {version} "
            f"(nothing_measured): {' '.join(skipped)} Correct the cause, then run 'purse monitor --snapshot-date "
            f"{snapshot_date}' again."
        )
    verdict = decide(settings.monitor, snapshot_date, version, checks, history)
    _write(settings, snapshot_date, version, checks, verdict)
    violated = checks[checks["violated"]]
    facts = Checked(
        snapshot_date=snapshot_date,
        model_version=version,
        baseline=baseline_of(connect(settings), settings.mlflow.model_name, version),
        checks=len(checks),
        violated=[f"{name} {kind}" for name, kind in zip(violated["name"], violated["kind"], strict=True)],
        alarm=verdict.alarm,
        reason=verdict.reason,
        skipped=skipped,
    )
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
    out = way_out(settings, connect(settings), Champion(version, "in_force"))
    raise PurseError(
        f"Champion version {version} has no reference to compare with (reference_lost): {problem}. Its training wrote "
        f"it, and only a new training writes one. Scores go on. {out}"
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
    history: pd.DataFrame,
) -> pd.DataFrame:
    """Checks of tonight as name, kind, value, threshold and violated; furthest beyond the threshold first."""
    config = settings.monitor
    counts = count_days(settings, snapshot_date - timedelta(days=1 + 7 * WEEKS), snapshot_date)
    found = chain(
        find_drift(snapshot_date, reference, now, history, config.spreads, config.of_days),
        find_falls(counts, snapshot_date),
    )
    rows = [(name, str(kind), value, threshold) for name, (kind, value, threshold) in found]
    return frame(rows + ([(REALISED, *one) for one in realised.checks] if isinstance(realised, Realised) else []))


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
    experiment = monitoring_id(client, settings)
    query = f"tags.`{KIND}` = 'monitor' and tags.`{SNAPSHOT}` = '{snapshot_date}'"
    if runs := client.search_runs([experiment], query, max_results=1):
        return str(runs[0].info.run_id)
    tags = {KIND: "monitor", SNAPSHOT: snapshot_date}
    return str(client.create_run(experiment, tags=tags, run_name=f"monitor {snapshot_date}").info.run_id)
