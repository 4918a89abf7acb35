"""What the page of trust is given: plain values and charts, from the lake, the registry and the last validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines import links
from pipelines.errors import PurseError
from pipelines.retraining.matured import PROMISED
from serving.dashboard import charts
from serving.dashboard import trust as lake_trust
from serving.dashboard.context import champion_of, refused
from serving.dashboard.feature_words import measure
from serving.dashboard.findings import Decile, Findings
from serving.dashboard.language import gettext, later
from serving.dashboard.values import Monitoring, OddId, Promise, TableQuality, Validation
from serving.dashboard.versions import Version

if TYPE_CHECKING:
    from serving.dashboard.context import Dashboard

WHY = {
    "trim": later("differs from another id by spaces"),
    "lower": later("differs from another id by upper and lower case"),
    "integer": later("differs from another id by zeros or a decimal point"),
    "together": later("differs from another id in several ways"),
    "nobody": later("usually means nobody"),
    "test": later("looks like a test"),
    "test_order": later("is an order that looks like a test"),
    "large": later("has a very large share of all rows"),
}
"""By kind of an id to look at: why."""

PROMISES = {"ngini_loss": "test_ngini", "bias": "test_bias", "decile_wape": "test_decile_wape"}
"""By kind of check: the metric of the run that promised it."""


@dataclass(frozen=True)
class Trust:
    """The page of trust: measures, kept promises, drift, users set aside and refused rows.

    Attributes:
        version: the champion; None: MLflow does not say.
        refused: the last refused challenger, if there is no champion.
        metrics: of its run.
        problem: why the registry's part is old or absent.
        deciles, calibration: by decile of expected spend, and their chart.
        monitored, promises, alarms: the newest monitoring, promised against realised, and the chart of alarms.
        quality: rows taken and refused.
        validated: warnings of the newest validation; None before the first.
        odd_ids: ids of users and orders to look at, with the reason.
        set_aside: users set aside by the live service until the next release, with the reason.
        data_docs, monitoring_page, dag: addresses.
    """

    version: Version | None
    refused: Version | None
    metrics: dict[str, float]
    problem: str | None
    deciles: list[Decile]
    calibration: charts.Spec | None
    monitored: Monitoring | None
    promises: list[Promise]
    alarms: charts.Spec | None
    quality: list[TableQuality]
    validated: Validation | None
    odd_ids: list[tuple[OddId, str]]
    set_aside: Sequence[tuple[str, str]]
    data_docs: str
    monitoring_page: str | None
    dag: str


def trust(dashboard: "Dashboard") -> Trust:
    """Collect measures, kept promises, drift and refused rows; without MLflow its part is absent, with the reason."""
    settings = dashboard.settings
    monitored, quality = lake_trust.monitored(settings), lake_trust.quality(settings)
    if not quality:
        dashboard.populations.newest()  # raises what to do
    version, findings, problem = None, Findings(), None
    try:
        version, findings, problem = champion_of(dashboard)
    except PurseError as error:
        problem = str(error)
    deciles = findings.deciles
    page = f"monitoring/{monitored.snapshot_date}.html" if monitored else None
    return Trust(
        version=version,
        refused=None if version or problem else refused(dashboard),
        metrics=findings.metrics,
        problem=problem,
        deciles=deciles,
        calibration=charts.calibration(deciles) if deciles else None,
        monitored=monitored,
        promises=_promises(dashboard, monitored),
        alarms=charts.alarms(monitored.history) if monitored else None,
        quality=quality,
        validated=lake_trust.validation(settings),
        odd_ids=[(one, gettext(WHY[one.kind])) for one in lake_trust.odd_ids(settings) if one.kind in WHY],
        set_aside=dashboard.set_aside(),
        data_docs=links.data_docs_url(settings),
        monitoring_page=links.data_docs_url(settings, page) if page else None,
        dag=links.dag_url(settings, "monitor_daily"),
    )


def _promises(dashboard: "Dashboard", monitored: Monitoring | None) -> list[Promise]:
    """What the version that scored promised, beside what came."""
    if not monitored or not monitored.realised:
        return []
    scored_by = lake_trust.matured_version(dashboard.settings, monitored.snapshot_date)
    try:
        versions, _ = dashboard.registry.versions()
        found = [dashboard.registry.findings(one) for one in versions if one.number == scored_by]
    except PurseError:
        return []  # the page says that MLflow is away
    metrics = found[0].metrics if found else {}
    if not set(PROMISED) <= metrics.keys():
        return []
    rows = []
    for kind, check in monitored.realised.items():
        name = PROMISES[kind]
        loss = kind == "ngini_loss"
        promised = metrics[name] if loss else abs(metrics[name])
        came, limit = (promised - check.value, promised - check.threshold) if loss else (check.value, check.threshold)
        rows.append(Promise(measure(kind), promised, came, limit, kept=not check.violated, at_least=loss))
    return rows
