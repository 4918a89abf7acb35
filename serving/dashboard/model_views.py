"""What the pages of the model and its card are given: plain values and charts, from the registry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.catalog import FAMILIES
from models.measures.names import TESTED
from pipelines import links
from pipelines.errors import PurseError
from pipelines.tracking.champion import moved_from
from pipelines.tracking.registry import CHAMPION
from serving.dashboard import charts
from serving.dashboard.feature_words import recipe
from serving.dashboard.findings import Difference, Findings, Importance, Slice
from serving.dashboard.language import _
from serving.dashboard.problems import Unavailable, UnknownVersion
from serving.dashboard.versions import Version

if TYPE_CHECKING:
    from serving.dashboard.context import Dashboard

IMPORTANCES = 25
"""Features in the table of importances."""


@dataclass(frozen=True)
class Baseline:
    """A baseline: its name, what it is, and its nGini on the test users."""

    name: str
    title: str
    ngini: float


@dataclass(frozen=True)
class Model:
    """The page of the model: all versions, and the measures of the chosen one.

    `recipe` names what the version is a blend of, `moved_from` the version that Purse had made champion, if somebody
    moved the alias by hand since.
    """

    versions: tuple[Version, ...]
    chosen: Version
    recipe: list[str]
    champion: Version | None
    moved_from: str | None
    problem: str | None
    metrics: dict[str, float]
    baselines: list[Baseline]
    importances: list[Importance]
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
        recipe=recipe(chosen.family),
        champion=champion,
        moved_from=moved_from(settings, champion.number if champion else None),
        problem=problem,
        metrics=findings.metrics,
        baselines=_baselines(findings.metrics),
        importances=importances[:IMPORTANCES],
        importance_chart=charts.importances(importances) if importances else None,
        slices=findings.slices,
        judged=tested,
        flagged=[row for row in tested if row.flagged],
        has_card=bool(findings.card),
        model_url=links.model_url(settings, chosen.number),
        run_url=links.run_url(settings, findings.experiment_id, chosen.run_id) if findings.experiment_id else None,
        dag=links.dag_url(settings, "retrain_daily"),
    )


def _baselines(metrics: dict[str, float]) -> list[Baseline]:
    """Baselines whose nGini the run has, best first; the mean, which orders nobody, is left out."""
    measured = {name: metrics[key] for name in FAMILIES if (key := f"baseline_{name}_ngini") in metrics}
    found = [Baseline(name, recipe(name)[0], ngini) for name, ngini in measured.items() if name != "mean"]
    return sorted(found, key=lambda one: -one.ngini)


def card(dashboard: "Dashboard", number: str | None) -> Card:
    """Read the model card of a version.

    Raises:
        Unavailable: MLflow does not answer.
        UnknownVersion: there is no such version.
        PurseError: it has no card.
    """
    _versions, chosen, problem = _chosen(dashboard, number)
    findings = _findings(dashboard, chosen)
    if not findings.card:
        raise PurseError(
            _(
                "Version %(number)s has no model card. Run 'purse evaluate' with the --snapshot-date of its training.",
                number=chosen.number,
            )
        )
    return Card(chosen, findings.card, problem)


def _chosen(dashboard: "Dashboard", number: str | None) -> tuple[tuple[Version, ...], Version, str | None]:
    try:
        versions, problem = dashboard.registry.versions()
    except PurseError as error:
        raise Unavailable(str(error)) from error
    if not versions:
        raise PurseError(
            _(
                "No model has been registered yet. Trigger retrain_daily in Airflow; by hand: 'purse build-features "
                "--for training' up to 'purse promote'."
            )
        )
    if number is None:
        return versions, next((one for one in versions if one.role == CHAMPION), versions[0]), problem
    for one in versions:
        if one.number == number:
            return versions, one, problem
    known = ", ".join(one.number for one in versions[:12])
    text = _("There is no version '%(number)s'. Choose one of: %(known)s.", number=number[:60], known=known)
    raise UnknownVersion(text)


def _findings(dashboard: "Dashboard", version: Version) -> Findings:
    try:
        return dashboard.registry.findings(version)
    except PurseError as error:
        raise Unavailable(str(error)) from error
