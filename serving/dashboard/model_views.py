"""What the pages of trust and of the model are given: plain values and charts, from the lake and the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.definitions import FEATURES
from models.measures.names import TESTED
from pipelines import links
from pipelines.errors import PurseError
from pipelines.retraining.matured import PROMISED
from pipelines.tracking.champion import moved_from
from pipelines.tracking.registry import CHAMPION
from serving.dashboard import charts
from serving.dashboard import trust as lake_trust
from serving.dashboard.context import champion_of
from serving.dashboard.findings import Decile, Difference, Findings, Importance, Slice
from serving.dashboard.problems import Unavailable, UnknownVersion
from serving.dashboard.values import Monitoring, Promise, TableQuality
from serving.dashboard.versions import Version

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


@dataclass(frozen=True)
class Trust:
    """The page of trust: measures, kept promises, drift, users set aside and refused rows.

    Attributes:
        version: the champion; None: MLflow does not say.
        metrics: of its run.
        problem: why the registry's part is old or absent.
        deciles, calibration: by decile of expected spend, and their chart.
        monitored, promises, alarms: the newest monitoring, promised against realised, and the chart of alarms.
        quality: rows taken and refused.
        set_aside: users set aside by the live service until the next release, with the reason.
        data_docs, monitoring_page, dag: addresses.
    """

    version: Version | None
    metrics: dict[str, float]
    problem: str | None
    deciles: list[Decile]
    calibration: charts.Spec | None
    monitored: Monitoring | None
    promises: list[Promise]
    alarms: charts.Spec | None
    quality: list[TableQuality]
    set_aside: Sequence[tuple[str, str]]
    data_docs: str
    monitoring_page: str | None
    dag: str


@dataclass(frozen=True)
class Model:
    """The page of the model: all versions, and the measures of the chosen one.

    `moved_from`: version that Purse had made champion, if somebody moved the alias by hand since.
    """

    versions: tuple[Version, ...]
    chosen: Version
    champion: Version | None
    moved_from: str | None
    problem: str | None
    metrics: dict[str, float]
    importances: list[Importance]
    descriptions: dict[str, str]
    importance_chart: charts.Spec | None
    slices: dict[str, Slice]
    judged: list[Difference]
    flagged: list[Difference]
    has_card: bool
    model_url: str
    run_url: str | None
    dag: str


@dataclass(frozen=True)
class Card:
    """The page of a model card, in Markdown."""

    chosen: Version
    card: str
    problem: str | None


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
        metrics=findings.metrics,
        problem=problem,
        deciles=deciles,
        calibration=charts.calibration(deciles) if deciles else None,
        monitored=monitored,
        promises=_promises(dashboard, monitored),
        alarms=charts.alarms(monitored.history) if monitored else None,
        quality=quality,
        set_aside=dashboard.set_aside(),
        data_docs=links.data_docs_url(settings),
        monitoring_page=links.data_docs_url(settings, page) if page else None,
        dag=links.dag_url(settings, "monitor_daily"),
    )


def model(dashboard: "Dashboard", number: str | None) -> Model:
    """Collect the versions and the measures of one: the given one, else the champion, else the newest.

    Raises:
        Unavailable: MLflow does not answer.
        UnknownVersion: there is no such version.
        PurseError: there are no versions yet.
    """
    versions, chosen, problem = _chosen(dashboard, number)
    settings, findings = dashboard.settings, _findings(dashboard, chosen)
    importances, fairness = findings.importances, findings.fairness
    tested = [row for row in fairness if row.measure in TESTED]
    champion = next((one for one in versions if one.role == CHAMPION), None)
    return Model(
        versions=versions,
        chosen=chosen,
        champion=champion,
        moved_from=moved_from(settings, champion.number if champion else None),
        problem=problem,
        metrics=findings.metrics,
        importances=importances[:IMPORTANCES],
        descriptions=DESCRIPTIONS,
        importance_chart=charts.importances(importances) if importances else None,
        slices=findings.slices,
        judged=tested,
        flagged=[row for row in tested if row.flagged],
        has_card=bool(findings.card),
        model_url=links.model_url(settings, chosen.number),
        run_url=links.run_url(settings, findings.experiment_id, chosen.run_id) if findings.experiment_id else None,
        dag=links.dag_url(settings, "retrain_daily"),
    )


def card(dashboard: "Dashboard", number: str | None) -> Card:
    """Read the model card of a version.

    Raises:
        Unavailable: MLflow does not answer.
        UnknownVersion: there is no such version.
        PurseError: it has no card.
    """
    _, chosen, problem = _chosen(dashboard, number)
    findings = _findings(dashboard, chosen)
    if not findings.card:
        raise PurseError(
            f"Version {chosen.number} has no model card. Run 'purse evaluate' with the --snapshot-date of its training."
        )
    return Card(chosen, findings.card, problem)


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
        title, name = REALISED[kind]
        loss = kind == "ngini_loss"
        promised = metrics[name] if loss else abs(metrics[name])
        came, limit = (promised - check.value, promised - check.threshold) if loss else (check.value, check.threshold)
        rows.append(Promise(title, promised, came, limit, kept=not check.violated))
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
