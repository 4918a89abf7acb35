"""Promote the challenger if it is measurably better; write the decision to the model version either way.

`models.promotion` decides, on numbers that `evaluate` measured.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING

from models.first_model import Evidence
from models.promotion import PROMOTED, Decision, Gate, Metrics, NoChampion, Unusable, decide
from pipelines.errors import PurseError
from pipelines.results.decision import Decided, Evaluated, Registered
from pipelines.results.result import read_result
from pipelines.results.training import Trained
from pipelines.retraining.decided import gate
from pipelines.settings import Settings
from pipelines.tracking import seals
from pipelines.tracking.champion import find_champion, moved_from, set_champion
from pipelines.tracking.registration import find_version, register_model
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
    stand_in = read_result(settings, snapshot_date, Trained).stand_in
    if found and found.usable:
        if champion == version:
            return _result(settings, _earlier_decision(client, name, version), version, measured, numbers)
        if stand_in and champion == find_version(client, name, stand_in):
            promoted = _earlier_decision(client, name, found.version)
            return _stand_in_result(settings, promoted, found.version, registered, measured)
    if champion != measured.champion_version:
        raise PurseError(
            f"The challenger was compared with champion version {measured.champion_version}, but the champion of "
            f"'{name}' is now version {champion}. Run 'purse evaluate --snapshot-date {snapshot_date}' again."
        )
    approved = replace_unusable or settings.promotion.replace_unusable
    seals.require_sealed_version(settings, client.get_model_version(name, version))
    compared = champion if isinstance(opponent, Metrics) and measured.champion_baseline is None else None
    decision = (
        _rolled_back(client, name, version)
        or _later(client, name, compared, snapshot_date)
        or decide(challenger, opponent, _gate(settings), approved=approved)
    )
    if earlier := moved_from(settings, champion):
        moved = f" Note: the alias '{CHAMPION}' was moved by hand from version {earlier} to version {champion}."
        decision = replace(decision, description=decision.description + moved)
    if decision.promoted and champion is not None and champion != version:
        client.set_model_version_tag(name, version, PREVIOUS, champion)
    _describe(client, name, version, decision, numbers)
    if decision.promoted:  # last: a rerun of an interrupted step decides the same
        set_champion(settings, client, version)
    model_stays = measured.champion_version is not None and measured.champion_baseline is None
    if decision.promoted or stand_in is None or model_stays:
        return _result(settings, decision, version, measured, numbers)
    return _promote_stand_in(settings, client, snapshot_date, stand_in, decision, registered, measured)


def _promote_stand_in(
    settings: Settings,
    client: "MlflowClient",
    snapshot_date: date,
    stand_in: Trained,
    refusal: Decision,
    registered: Registered,
    measured: Evaluated,
) -> Decided:
    """Make the baseline that was trained beside a refused model the champion, under its own name."""
    name, version = settings.mlflow.model_name, register_model(settings, client, stand_in, snapshot_date)
    ngini = measured.baselines[stand_in.family].measures["ngini"]
    decision = Decision(
        "baseline_champion",
        f"Promoted: the baseline {stand_in.family} (nGini {ngini:.4f}) scores until a model beats it, because the "
        f"model, version {registered.version}, was refused: {refusal.description.partition(': ')[2]}",
    )
    if measured.champion_version is not None:
        client.set_model_version_tag(name, version, PREVIOUS, measured.champion_version)
    _describe(client, name, version, decision, {"ngini": ngini})
    set_champion(settings, client, version)
    return _stand_in_result(settings, decision, version, registered, measured)


def _stand_in_result(
    settings: Settings, decision: Decision, version: str, registered: Registered, measured: Evaluated
) -> Decided:
    baseline = measured.stand_in or ""
    numbers = {"ngini": measured.baselines[baseline].measures["ngini"]}
    decided = _result(settings, decision, version, measured, numbers)
    return decided.model_copy(update={"refused": registered.version, "baseline": baseline})


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


def _later(client: "MlflowClient", name: str, champion: str | None, snapshot_date: date) -> Decision | None:
    """Decide against a retraining as of a day before the champion's, which has learned from the days of the test."""
    training_id = client.get_model_version(name, champion).tags.get("training_id", "") if champion else ""
    trained_as_of = training_id[: len("2024-05-01")]
    if trained_as_of <= snapshot_date.isoformat():
        return None
    return Decision(
        "champion_is_later",
        f"Not promoted: the champion, version {champion}, was trained as of {trained_as_of}, after {snapshot_date}. It "
        f"has learned from days on which the two would be compared. Retrain as of {trained_as_of} or later; to use "
        "this version anyway, make it the champion by hand.",
    )


def _sides(measured: Evaluated, snapshot_date: date) -> tuple[Metrics, Metrics | Unusable | NoChampion]:
    """Build the challenger's metrics and those of its opponent from the result of `evaluate`."""
    ours, theirs = measured.measures, measured.champion
    slices = {name: part.gain for name, part in measured.slices.items() if part.gain}
    evidence = Evidence(
        ngini=ours["ngini"],
        ngini_error=measured.ngini_error,
        validation_ngini=measured.validation_ngini,
        validation_error=measured.validation_error,
        bias=ours["bias"],
        bias_error=measured.bias_error,
    )
    challenger = Metrics(ours["ngini"], ours["bias"], theirs.gain if theirs else None, slices, evidence)
    if theirs:
        name = measured.champion_baseline
        return challenger, Metrics(theirs.measures["ngini"], theirs.measures["bias"], baseline=name)
    name, baseline = max(measured.baselines.items(), key=lambda item: item[1].measures["ngini"])
    if measured.champion_version is None:
        gains = {one: side.gain for one, side in measured.baselines.items()}
        return challenger, NoChampion(gains, name, measured.stand_in)
    reason = measured.champion_unusable or "'purse evaluate' left no reason"
    approve = f"purse promote --snapshot-date {snapshot_date} --replace-unusable"
    return challenger, Unusable(measured.champion_version, reason, name, baseline.gain, approve)


def _gate(settings: Settings) -> Gate:
    limits = settings.promotion
    return Gate(
        min_ngini=limits.min_ngini,
        max_abs_bias=limits.max_abs_bias,
        confidence=limits.confidence,
        max_slice_loss=limits.max_slice_loss,
        max_first_bias=limits.max_first_bias,
    )


def _numbers(challenger: Metrics, champion: Metrics | Unusable | NoChampion) -> dict[str, float]:
    """Finite numbers that the decision is based on."""
    numbers = {"ngini": challenger.ngini, "bias": challenger.bias}
    if isinstance(champion, Unusable | NoChampion):
        gain = champion.gain if isinstance(champion, Unusable) else champion.gains[champion.best]
        numbers |= {f"baseline_gain_{k}": v for k, v in asdict(gain).items()}
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
