"""What the pages of trust and of the model are given: plain values and charts, from the lake and the registry."""

from typing import TYPE_CHECKING, Any

from features.definitions import FEATURES
from models.measures.names import JUDGED
from pipelines import links
from pipelines.errors import PurseError
from pipelines.retraining.matured import PROMISED
from pipelines.tracking.registry import CHAMPION
from serving.dashboard import charts
from serving.dashboard import trust as lake_trust
from serving.dashboard.context import champion_of
from serving.dashboard.problems import Unavailable, UnknownVersion
from serving.dashboard.versions import Findings, Version

if TYPE_CHECKING:
    from serving.dashboard.context import Dashboard

IMPORTANCES = 25
"""Features in the table of importances."""

REALISED = {
    "ngini_loss": ("nGini", "test_ngini"),
    "bias": ("bias, its size", "test_bias"),
    "decile_wape": ("decile WAPE", "test_decile_wape"),
}
"""By kind of check: its title, and the metric of the run that promised it."""

DESCRIPTIONS = {feature.name: feature.description for feature in FEATURES}


def trust(dashboard: "Dashboard") -> dict[str, Any]:
    """Measures, kept promises, drift and refused rows; what MLflow doesn't tell is left out with the reason."""
    settings = dashboard.settings
    monitored, quality = lake_trust.monitored(settings), lake_trust.quality(settings)
    if not quality:
        dashboard.populations.newest()  # raises what to do
    version, findings, problem = None, Findings(), None
    try:
        version, findings, problem = champion_of(dashboard)
    except PurseError as error:
        problem = str(error)
    deciles = findings.tables.get("deciles", [])
    return {
        "version": version,
        "metrics": findings.metrics,
        "problem": problem,
        "deciles": deciles,
        "calibration": charts.calibration(deciles) if deciles else None,
        "monitored": monitored,
        "promises": _promises(dashboard, monitored),
        "alarms": charts.alarms(monitored["history"]) if monitored else None,
        "quality": quality,
        "set_aside": dashboard.set_aside(),
        "data_docs": links.data_docs_url(settings),
        "monitoring_page": links.data_docs_url(settings, f"monitoring/{monitored['snapshot_date']}.html")
        if monitored
        else None,
        "dag": links.dag_url(settings, "monitor_daily"),
    }


def model(dashboard: "Dashboard", number: str | None) -> dict[str, Any]:
    """The versions, and what was found out about one: the asked for, else the champion, else the newest.

    Raises:
        Unavailable: MLflow doesn't answer.
        UnknownVersion: there is no such version.
        PurseError: there are no versions yet.
    """
    versions, chosen, problem = _chosen(dashboard, number)
    settings, findings = dashboard.settings, _findings(dashboard, chosen)
    importances, fairness = findings.tables.get("importances", []), findings.tables.get("fairness", [])
    judged = [row for row in fairness if row["measure"] in JUDGED]
    return {
        "versions": versions,
        "chosen": chosen,
        "champion": next((one for one in versions if one.role == CHAMPION), None),
        "problem": problem,
        "metrics": findings.metrics,
        "importances": importances[:IMPORTANCES],
        "descriptions": DESCRIPTIONS,
        "importance_chart": charts.importances(importances) if importances else None,
        "slices": findings.slices,
        "judged": judged,
        "flagged": [row for row in judged if row["flagged"]],
        "has_card": bool(findings.card),
        "model_url": links.model_url(settings, chosen.number),
        "run_url": links.run_url(settings, findings.experiment_id, chosen.run_id) if findings.experiment_id else None,
        "dag": links.dag_url(settings, "retrain_daily"),
    }


def card(dashboard: "Dashboard", number: str | None) -> dict[str, Any]:
    """The model card of a version.

    Raises:
        Unavailable: MLflow doesn't answer.
        UnknownVersion: there is no such version.
        PurseError: it has no card.
    """
    _, chosen, problem = _chosen(dashboard, number)
    findings = _findings(dashboard, chosen)
    if not findings.card:
        raise PurseError(
            f"Version {chosen.number} has no model card. Run 'purse evaluate' and 'purse register' with the "
            "--snapshot-date of its training."
        )
    return {"chosen": chosen, "card": findings.card, "problem": problem}


def _promises(dashboard: "Dashboard", monitored: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Measure, what the version that scored promised, what came, the limit, and whether it was kept."""
    if not monitored or not monitored["realised"]:
        return []
    scored_by = lake_trust.matured_version(dashboard.settings, monitored["snapshot_date"])
    try:
        versions, _ = dashboard.registry.versions()
        found = [dashboard.registry.findings(one) for one in versions if one.number == scored_by]
    except PurseError:
        return []  # the page says that MLflow is away
    metrics = found[0].metrics if found else {}
    if not set(PROMISED) <= metrics.keys():
        return []
    rows = []
    for kind, row in monitored["realised"].items():
        title, name = REALISED[kind]
        promised = metrics[name] if kind == "ngini_loss" else abs(metrics[name])
        came, limit = (
            (promised - row["value"], promised - row["threshold"])
            if kind == "ngini_loss"
            else (row["value"], row["threshold"])
        )
        rows.append({"title": title, "promised": promised, "came": came, "limit": limit, "kept": not row["violated"]})
    return rows


def _chosen(dashboard: "Dashboard", number: str | None) -> tuple[tuple[Version, ...], Version, str | None]:
    try:
        versions, problem = dashboard.registry.versions()
    except PurseError as error:
        raise Unavailable(str(error)) from error
    if not versions:
        raise PurseError(
            "No model has been registered yet. Trigger retrain_daily in Airflow; by hand: 'purse build-features --for "
            "training' up to 'purse promote'."
        )
    if number is None:
        return versions, next((one for one in versions if one.role == CHAMPION), versions[0]), problem
    for one in versions:
        if one.number == number:
            return versions, one, problem
    known = ", ".join(one.number for one in versions[:12])
    raise UnknownVersion(f"There is no version '{number}'. Choose one of: {known}.")


def _findings(dashboard: "Dashboard", version: Version) -> Findings:
    try:
        return dashboard.registry.findings(version)
    except PurseError as error:
        raise Unavailable(str(error)) from error
