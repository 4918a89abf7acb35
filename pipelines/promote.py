"""Promote the challenger if it is measurably better; write the decision to the model version either way.

`models.promotion` decides, on numbers that `evaluate` measured.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING

from models.promotion import PROMOTED, Decision, Gate, Metrics, NoChampion, Unusable, decide
from pipelines.errors import PurseError
from pipelines.results.decision import Decided, Evaluated, Registered
from pipelines.results.result import read_result
from pipelines.retraining.decided import gate
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.champion import find_champion, moved_from, set_champion
from pipelines.tracking.registry import CHAMPION, PREVIOUS, ROLLED_BACK_TO
from pipelines.tracking.runs import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST = 5_000
"""Maximum characters of a description that is read back from MLflow."""


def promote(settings: Settings, snapshot_date: date, *, replace_unusable: bool = False) -> Decided:
    """Apply the decision to the registry: alias, tags and description of the challenger's version.

    Args:
        settings: the settings.
        snapshot_date: snapshot date of the retraining.
        replace_unusable: a person approves the replacement of a champion that cannot be compared.

    Raises:
        PurseError: `evaluate` or `register` has not run, or the champion changed since `evaluate`.
    """
    measured = read_result(settings, snapshot_date, Evaluated)
    registered = read_result(settings, snapshot_date, Registered)
    if measured.run_id != registered.run_id:
        raise PurseError(
            f"'evaluate' measured run {measured.run_id}, but 'register' registered run {registered.run_id}. "
            f"Run 'purse evaluate --snapshot-date {snapshot_date}', then 'purse register --snapshot-date "
            f"{snapshot_date}'."
        )
    version = registered.version
    name, client = settings.mlflow.model_name, connect(settings)
    challenger, opponent = _sides(measured, snapshot_date)
    numbers = _numbers(challenger, opponent)
    found = find_champion(settings, client)
    champion = found.version if found else None
    if champion == version and found and found.usable:
        return _result(settings, _earlier_decision(client, name, version), version, measured, numbers)
    if champion != measured.champion_version:
        raise PurseError(
            f"The challenger was compared with champion version {measured.champion_version}, but the champion of "
            f"'{name}' is now version {champion}. Run 'purse evaluate --snapshot-date {snapshot_date}' again."
        )
    approved = replace_unusable or settings.promotion.replace_unusable
    seals.require_sealed_version(settings, client.get_model_version(name, version))
    decision = _rolled_back(client, name, version) or decide(challenger, opponent, _gate(settings), approved=approved)
    if earlier := moved_from(settings, champion):
        moved = f" Note: the alias '{CHAMPION}' was moved by hand from version {earlier} to version {champion}."
        decision = replace(decision, description=decision.description + moved)
    if decision.promoted and champion is not None and champion != version:
        client.set_model_version_tag(name, version, PREVIOUS, champion)
    _describe(client, name, version, decision, numbers)
    if decision.promoted:  # last: a rerun of an interrupted step decides the same
        set_champion(settings, client, version)
    return _result(settings, decision, version, measured, numbers)


def _earlier_decision(client: "MlflowClient", name: str, version: str) -> Decision:
    """Read the decision that made this version champion, so that a rerun returns it again."""
    model_version = client.get_model_version(name, version)
    outcome = model_version.tags.get("outcome")
    if outcome in PROMOTED:
        return Decision(outcome, (model_version.description or "")[:LONGEST])
    return Decision("already_champion", f"Version {version} is the champion already.")


def _rolled_back(client: "MlflowClient", name: str, version: str) -> Decision | None:
    """Decide against a version that a person rolled back: a retraining on the same data must not promote it again."""
    if ROLLED_BACK_TO not in client.get_model_version(name, version).tags:
        return None
    return Decision(
        "rolled_back",
        f"Not promoted: version {version} was champion and was rolled back. New data makes a new version; "
        f"to use this one anyway, run 'purse champion {version}'.",
    )


def _sides(measured: Evaluated, snapshot_date: date) -> tuple[Metrics, Metrics | Unusable | NoChampion]:
    """Build the challenger's metrics and those of its opponent from the result of `evaluate`."""
    ours, theirs = measured.measures, measured.champion
    slices = {name: part.gain for name, part in measured.slices.items() if part.gain}
    challenger = Metrics(ours["ngini"], ours["bias"], theirs.gain if theirs else None, slices)
    if theirs:
        return challenger, Metrics(theirs.measures["ngini"], theirs.measures["bias"])
    name, baseline = max(measured.baselines.items(), key=lambda item: item[1].measures["ngini"])
    if measured.champion_version is None:
        return challenger, NoChampion(measured.baselines["mean"].gain, name, baseline.gain)
    reason = measured.champion_unusable or "'purse evaluate' left no reason"
    approve = f"purse promote --snapshot-date {snapshot_date} --replace-unusable"
    return challenger, Unusable(measured.champion_version, reason, name, baseline.gain, approve)


def _gate(settings: Settings) -> Gate:
    limits = settings.promotion
    return Gate(limits.min_ngini, limits.max_abs_bias, limits.confidence, limits.max_slice_loss)


def _numbers(challenger: Metrics, champion: Metrics | Unusable | NoChampion) -> dict[str, float]:
    """Finite numbers that the decision is based on."""
    numbers = {"ngini": challenger.ngini, "bias": challenger.bias}
    if isinstance(champion, Unusable | NoChampion):
        numbers |= {f"baseline_gain_{k}": v for k, v in asdict(champion.gain).items()}
    elif challenger.gain:
        numbers |= {"champion_ngini": champion.ngini, **{f"gain_{k}": v for k, v in asdict(challenger.gain).items()}}
    return {key: value for key, value in numbers.items() if isfinite(value)}


def _describe(
    client: "MlflowClient", name: str, version: str, decision: Decision, numbers: Mapping[str, float]
) -> None:
    client.update_model_version(name, version, decision.description)
    client.set_model_version_tag(name, version, "outcome", decision.outcome)
    for key, value in numbers.items():
        client.set_model_version_tag(name, version, key, f"{value:.6g}")


def _result(
    settings: Settings, decision: Decision, version: str, measured: Evaluated, numbers: Mapping[str, float]
) -> Decided:
    return Decided(
        gate=gate(settings),
        outcome=decision.outcome,
        promoted=decision.promoted,
        model_name=settings.mlflow.model_name,
        version=version,
        numbers=dict(numbers),
        description=decision.description,
        run_id=measured.run_id,
        run_url=measured.run_url,
    )
