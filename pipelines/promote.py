"""Make the challenger the champion if it is measurably better; say why on the model version either way.

`decide` is a pure function of numbers that `evaluate` measured. Not promoting is a success: the champion stays.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from pipelines import tracking
from pipelines.errors import PurseError
from pipelines.registry import CHAMPION, PREVIOUS, ROLLED_BACK_TO, version_of
from pipelines.results import read_result
from pipelines.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

Outcome = Literal[
    "first_champion", "better", "no_gain", "below_floor", "worse_on_slice", "already_champion", "rolled_back"
]


@dataclass(frozen=True)
class Gain:
    """Challenger's nGini minus champion's on the same users, by paired bootstrap.

    Attributes:
        estimate: the difference.
        standard_error: its standard error.
        better_share: share of bootstrap samples in which the challenger is better.
    """

    estimate: float
    standard_error: float
    better_share: float


@dataclass(frozen=True)
class Metrics:
    """What is measured of a model on the test snapshot.

    Attributes:
        ngini: normalized Gini of expected spend.
        bias: predicted over true total, minus 1.
        gain: against the champion, overall; only a challenger has it.
        slice_gains: the same in each slice with enough users, named like "region=105".
    """

    ngini: float
    bias: float
    gain: Gain | None = None
    slice_gains: Mapping[str, Gain] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """What a challenger has to pass; see `promotion` in conf/purse.yaml."""

    min_ngini: float
    max_abs_bias: float
    confidence: float
    max_slice_loss: float


@dataclass(frozen=True)
class Decision:
    """An outcome and the sentence that explains it with its numbers."""

    outcome: Outcome
    description: str

    @property
    def promoted(self) -> bool:
        """Whether the alias `champion` moves to the challenger."""
        return self.outcome in ("first_champion", "better")


def decide(challenger: Metrics, champion: Metrics | None, gate: Gate) -> Decision:
    """Say whether the challenger replaces the champion; never touches the registry.

    The floor comes first and holds for a first champion too. A slice counts as worse when its loss exceeds
    `max_slice_loss` by more than two standard errors.

    Raises:
        ValueError: there is a champion but the challenger carries no `gain`.
    """
    said = f"nGini {challenger.ngini:.4f}, bias {challenger.bias:+.2f}"
    if not (challenger.ngini >= gate.min_ngini and abs(challenger.bias) <= gate.max_abs_bias):  # NaN fails too
        floor = f"at least {gate.min_ngini} and at most ±{gate.max_abs_bias}"
        return Decision("below_floor", f"Not promoted: {said}; required are {floor}.")
    if champion is None:
        return Decision("first_champion", f"Promoted as the first champion: {said}.")
    gain = challenger.gain
    if gain is None:
        raise ValueError("Expected the challenger's gain over the champion, found none: run 'purse evaluate' again.")
    against = (
        f"{said} against the champion's {champion.ngini:.4f}: gain {gain.estimate:+.4f} "
        f"(standard error {gain.standard_error:.4f}), better in {gain.better_share:.0%} of bootstrap samples"
    )
    if gain.estimate <= 0 or gain.better_share < gate.confidence:
        return Decision("no_gain", f"Not promoted: {against}; required are {gate.confidence:.0%}.")
    for name, part in challenger.slice_gains.items():
        if part.estimate + 2 * part.standard_error < -gate.max_slice_loss:
            loss = f"{-part.estimate:.4f} (standard error {part.standard_error:.4f})"
            return Decision(
                "worse_on_slice",
                f"Not promoted: {against}, but it loses {loss} on {name}; allowed {gate.max_slice_loss}.",
            )
    return Decision("better", f"Promoted: {against}.")


def promote(settings: Settings, snapshot_date: date) -> dict[str, Any]:
    """Apply the decision to the registry: alias, tags and description of the challenger's version.

    Raises:
        PurseError: `evaluate` or `register` has not run, or the champion changed since `evaluate`.
    """
    measured = read_result(settings, snapshot_date, "evaluate")
    registered = read_result(settings, snapshot_date, "register")
    if measured["run_id"] != registered["run_id"]:
        raise PurseError(
            f"'evaluate' measured run {measured['run_id']}, but 'register' registered run {registered['run_id']}. "
            f"Run 'purse evaluate' and 'purse register' with --snapshot-date {snapshot_date} again."
        )
    version = str(registered["version"])
    name, client = settings.mlflow.model_name, tracking.connect(settings)
    champion = version_of(client, name, CHAMPION)
    if champion == version:
        return _result(settings, _earlier(client, name, version), version, measured)
    if champion != measured["champion_version"]:
        raise PurseError(
            f"The challenger was compared with champion version {measured['champion_version']}, but the champion of "
            f"'{name}' is now version {champion}. Run 'purse evaluate --snapshot-date {snapshot_date}' again."
        )
    decision = _rolled_back(client, name, version) or decide(*_metrics(measured), _gate(settings))
    if decision.promoted and champion is not None:
        client.set_model_version_tag(name, version, PREVIOUS, champion)
    _describe(client, name, version, decision, measured)
    if decision.promoted:  # last: an interrupted step decides the same again
        client.set_registered_model_alias(name, CHAMPION, version)
    return _result(settings, decision, version, measured)


def _earlier(client: "MlflowClient", name: str, version: str) -> Decision:
    """The decision that made this version champion, so that a rerun says the same again."""
    found = client.get_model_version(name, version)
    outcome = found.tags.get("outcome")
    if outcome in ("first_champion", "better"):
        return Decision(outcome, found.description)
    return Decision("already_champion", f"Version {version} is the champion already.")


def _rolled_back(client: "MlflowClient", name: str, version: str) -> Decision | None:
    """A person took this version out of force: a retraining on the same data doesn't bring it back."""
    if ROLLED_BACK_TO not in client.get_model_version(name, version).tags:
        return None
    return Decision(
        "rolled_back",
        f"Not promoted: version {version} was champion and was rolled back. New data makes a new version; "
        f"to use this one all the same, set the alias '{CHAMPION}' on it in the MLflow UI.",
    )


def _metrics(measured: dict[str, Any]) -> tuple[Metrics, Metrics | None]:
    """The two sides of the comparison out of the result of `evaluate`."""
    ours, theirs = measured["measures"], measured["champion"]
    gain = Gain(**theirs["gain"]) if theirs else None
    slices = {n: Gain(**part["gain"]) for n, part in measured["slices"].items() if part.get("gain")}
    challenger = Metrics(ours["ngini"], ours["bias"], gain, slices)
    return challenger, Metrics(theirs["measures"]["ngini"], theirs["measures"]["bias"]) if theirs else None


def _gate(settings: Settings) -> Gate:
    gate = settings.promotion
    return Gate(gate.min_ngini, gate.max_abs_bias, gate.confidence, gate.max_slice_loss)


def _numbers(measured: dict[str, Any]) -> dict[str, float]:
    """The numbers that the decision rests on."""
    challenger, champion = _metrics(measured)
    numbers = {"ngini": challenger.ngini, "bias": challenger.bias}
    if champion and challenger.gain:
        numbers |= {"champion_ngini": champion.ngini, **{f"gain_{k}": v for k, v in asdict(challenger.gain).items()}}
    return {key: value for key, value in numbers.items() if isfinite(value)}


def _describe(client: "MlflowClient", name: str, version: str, decision: Decision, measured: dict[str, Any]) -> None:
    client.update_model_version(name, version, decision.description)
    client.set_model_version_tag(name, version, "outcome", decision.outcome)
    for key, value in _numbers(measured).items():
        client.set_model_version_tag(name, version, key, f"{value:.6g}")


def _result(settings: Settings, decision: Decision, version: str, measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome": decision.outcome,
        "promoted": decision.promoted,
        "model_name": settings.mlflow.model_name,
        "version": version,
        "numbers": _numbers(measured),
        "description": decision.description,
        "run_id": measured["run_id"],
        "run_url": measured["run_url"],
    }
