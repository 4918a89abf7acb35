"""Decide whether a challenger replaces the champion: a pure function of measured numbers, with named outcomes.

Not promoting is a success: the champion stays. A champion that cannot be compared also stays, until a person approves
its replacement. The first model has to prove more, see `models.first_model`, and to beat the baseline that scores until
then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.first_model import Evidence, missing_proof

Outcome = Literal[
    "first_champion",
    "better",
    "champion_replaced",
    "no_gain",
    "below_floor",
    "floor_unsure",
    "bias_too_large",
    "behind_baseline",
    "baseline_unbeaten",
    "baseline_champion",
    "worse_on_slice",
    "champion_is_later",
    "champion_unusable",
    "already_champion",
    "rolled_back",
]
BASELINE_ERRORS = 1.0
"""Standard errors by which the first model may fall behind the best baseline."""

PROMOTED = ("first_champion", "better", "champion_replaced", "baseline_champion")
"""Outcomes that make a version the champion."""


@dataclass(frozen=True)
class Gain:
    """Challenger's nGini minus the nGini of the champion or a baseline on the same users, by paired bootstrap.

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
    """Measures of one model on the test snapshot.

    Attributes:
        ngini: normalized Gini of expected spend.
        bias: predicted total over true total, minus 1.
        gain: gain over the champion on all users; challengers only.
        slice_gains: gain in each slice with enough users, by name such as "region=105".
        evidence: what the first model must show; challengers only.
        baseline: name of the baseline that a champion is; None for a model.
    """

    ngini: float
    bias: float
    gain: Gain | None = None
    slice_gains: Mapping[str, Gain] = field(default_factory=dict)
    evidence: Evidence | None = None
    baseline: str | None = None


@dataclass(frozen=True)
class Unusable:
    """A champion that cannot be compared, and the baseline that the challenger is compared with instead.

    Attributes:
        version: the champion's version.
        reason: why it cannot be compared, in one sentence without a full stop.
        baseline: name of the baseline with the highest nGini.
        gain: challenger's gain over this baseline.
        approve: command with which a person approves the replacement.
    """

    version: str
    reason: str
    baseline: str
    gain: Gain
    approve: str


@dataclass(frozen=True)
class NoChampion:
    """No champion yet: the challenger is compared with the baselines.

    Attributes:
        gains: challenger's gain over each baseline.
        best: name of the baseline with the highest nGini.
        stand_in: name of the baseline that is champion until a model beats it; None: there is none.
    """

    gains: Mapping[str, Gain]
    best: str
    stand_in: str | None = None


@dataclass(frozen=True)
class Gate:
    """Thresholds that a challenger has to pass; see `promotion` in conf/purse.yaml."""

    min_ngini: float
    max_abs_bias: float
    confidence: float
    max_slice_loss: float
    max_first_bias: float


@dataclass(frozen=True)
class Decision:
    """An outcome, and a sentence that explains it with its numbers."""

    outcome: Outcome
    description: str

    @property
    def promoted(self) -> bool:
        """Say whether the alias `champion` moves to the challenger."""
        return self.outcome in PROMOTED


def decide(
    challenger: Metrics, champion: Metrics | Unusable | NoChampion, gate: Gate, *, approved: bool = False
) -> Decision:
    """Decide whether the challenger replaces the champion; never touches the registry.

    The floor applies first. The first model, where no champion or a baseline is in force, must also pass
    `first_model.missing_proof`; without a champion it may not fall behind the best baseline by more than
    `BASELINE_ERRORS`, and must beat the stand-in with the required confidence. A slice counts as worse when its loss
    exceeds `max_slice_loss` by more than two standard errors. An unusable champion is replaced only if the challenger
    beats the best baseline with the required confidence and the replacement is `approved`; in all other cases
    `approved` has no effect.

    Raises:
        ValueError: there is a champion, but the challenger carries no `gain`; or a first model has no `evidence`.

    >>> gate = Gate(min_ngini=0.2, max_abs_bias=0.3, confidence=0.9, max_slice_loss=0.02, max_first_bias=0.2)
    >>> first = NoChampion({"history_rate": Gain(0.04, 0.01, 1.0)}, "history_rate", "history_rate")
    >>> evidence = Evidence(0.5, 0.02, 0.5, 0.02, bias=0.1, bias_error=0.05)
    >>> decide(Metrics(ngini=0.5, bias=0.1, evidence=evidence), first, gate).outcome
    'first_champion'
    >>> decide(Metrics(0.5, 0.1, Gain(0.01, 0.004, 0.98)), Metrics(0.49, 0.0), gate).outcome
    'better'
    >>> decide(Metrics(ngini=0.1, bias=0.0), first, gate).description
    'Not promoted: nGini 0.1000, bias +0.00; required: at least 0.2 and at most ±0.3.'
    """
    measures = f"nGini {challenger.ngini:.4f}, bias {challenger.bias:+.2f}"
    if not (challenger.ngini >= gate.min_ngini and abs(challenger.bias) <= gate.max_abs_bias):  # NaN fails too
        floor = f"at least {gate.min_ngini} and at most ±{gate.max_abs_bias}"
        return Decision("below_floor", f"Not promoted: {measures}; required: {floor}.")
    if isinstance(champion, NoChampion):
        return _decide_first(challenger, champion, gate)
    if isinstance(champion, Unusable):
        return _decide_unusable(measures, champion, gate, approved=approved)
    return _decide_against(measures, challenger, champion, gate)


def _decide_against(measures: str, challenger: Metrics, champion: Metrics, gate: Gate) -> Decision:
    gain = challenger.gain
    if gain is None:
        raise ValueError("Expected the challenger's gain over the champion, found none: run 'purse evaluate' again.")
    against = f"{measures} against the champion's {champion.ngini:.4f}: {_in_words(gain)}"
    if champion.baseline:
        against = (
            f"{measures} against the champion, baseline {champion.baseline}, {champion.ngini:.4f}: {_in_words(gain)}"
        )
        if missing := missing_proof(_evidence(challenger), gate.min_ngini, gate.max_first_bias):
            outcome, needed = missing
            proof = _evidence(challenger).in_words()
            return Decision(outcome, f"Not promoted as the first model: {proof}; required: {needed}.")
    if not _is_sure(gain, gate):
        return Decision("no_gain", f"Not promoted: {against}; required: {gate.confidence:.0%}.")
    for name, part in challenger.slice_gains.items():
        if part.estimate + 2 * part.standard_error < -gate.max_slice_loss:
            loss = f"{-part.estimate:.4f} (standard error {part.standard_error:.4f})"
            return Decision(
                "worse_on_slice",
                f"Not promoted: {against}, but it loses {loss} on {name}; allowed {gate.max_slice_loss}.",
            )
    return Decision("better", f"Promoted: {against}.")


def _decide_first(challenger: Metrics, opponent: NoChampion, gate: Gate) -> Decision:
    proof, refused = _evidence(challenger).in_words(), "Not promoted as the first champion"
    if missing := missing_proof(_evidence(challenger), gate.min_ngini, gate.max_first_bias):
        outcome, needed = missing
        return Decision(outcome, f"{refused}: {proof}; required: {needed}.")
    best = opponent.gains[opponent.best]
    if not best.estimate >= -BASELINE_ERRORS * best.standard_error:  # NaN fails too
        against, needed = f"the best baseline, {opponent.best}", f"at most {BASELINE_ERRORS:g} standard error behind"
        return Decision(
            "behind_baseline", f"{refused}: {proof}; against {against}: {_in_words(best)}; required: {needed}."
        )
    if opponent.stand_in and not _is_sure(gain := opponent.gains[opponent.stand_in], gate):
        against = f"the baseline {opponent.stand_in}: {_in_words(gain)}; required: {gate.confidence:.0%}"
        return Decision("baseline_unbeaten", f"{refused}: {proof}; against {against}.")
    gains = ", ".join(
        f"{name} {gain.estimate:+.4f} ± {gain.standard_error:.4f}" for name, gain in opponent.gains.items()
    )
    return Decision("first_champion", f"Promoted as the first champion: {proof}; gain over the baselines: {gains}.")


def _evidence(challenger: Metrics) -> Evidence:
    if challenger.evidence is None:
        raise ValueError("Expected the standard errors of the first model, found none: run 'purse evaluate' again.")
    return challenger.evidence


def _decide_unusable(measures: str, champion: Unusable, gate: Gate, *, approved: bool) -> Decision:
    why = f"champion version {champion.version} cannot be compared ({champion.reason})"
    against = f"{measures} against the best baseline, {champion.baseline}: {_in_words(champion.gain)}"
    if not _is_sure(champion.gain, gate):
        needed = f"Its replacement must beat this baseline; required: {gate.confidence:.0%}."
        return Decision("champion_unusable", f"Not promoted: {why} and stays. {against}. {needed}")
    if not approved:
        approve = f"To approve its replacement, run '{champion.approve}'."
        return Decision("champion_unusable", f"Not promoted: {why} and stays. {against}. {approve}")
    return Decision("champion_replaced", f"Promoted, replacement approved: {why}. {against}.")


def _is_sure(gain: Gain, gate: Gate) -> bool:
    return gain.estimate > 0 and gain.better_share >= gate.confidence  # False for NaN


def _in_words(gain: Gain) -> str:
    return (
        f"gain {gain.estimate:+.4f} (standard error {gain.standard_error:.4f}), "
        f"better in {gain.better_share:.0%} of bootstrap samples"
    )
