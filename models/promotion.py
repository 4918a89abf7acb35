"""Whether a challenger replaces the champion: a pure function of measured numbers, with named outcomes.

Not promoting is a success: the champion stays. A champion that cannot be compared stays too, until a person approves
its replacement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal[
    "first_champion",
    "better",
    "champion_replaced",
    "no_gain",
    "below_floor",
    "worse_on_slice",
    "champion_unusable",
    "already_champion",
    "rolled_back",
]
PROMOTED = ("first_champion", "better", "champion_replaced")
"""Outcomes that make the challenger the champion."""


@dataclass(frozen=True)
class Gain:
    """Challenger's nGini minus that of the champion or of a baseline on the same users, by paired bootstrap.

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
class Unusable:
    """A champion that cannot be compared, and what the challenger is measured against instead.

    Attributes:
        version: of the champion.
        reason: why it cannot be compared, in one sentence without a full stop.
        baseline: the baseline with the highest nGini.
        gain: of the challenger over this baseline.
        approve: the command with which a person approves the replacement.
    """

    version: str
    reason: str
    baseline: str
    gain: Gain
    approve: str


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
        return self.outcome in PROMOTED


def decide(challenger: Metrics, champion: Metrics | Unusable | None, gate: Gate, *, approved: bool = False) -> Decision:
    """Say whether the challenger replaces the champion; never touches the registry.

    The floor comes first and holds for a first champion too. A slice counts as worse when its loss exceeds
    `max_slice_loss` by more than two standard errors. An unusable champion is replaced only if the challenger is surely
    better than the best baseline and the replacement is `approved`; otherwise `approved` changes nothing.

    Raises:
        ValueError: there is a champion but the challenger carries no `gain`.
    """
    said = f"nGini {challenger.ngini:.4f}, bias {challenger.bias:+.2f}"
    if not (challenger.ngini >= gate.min_ngini and abs(challenger.bias) <= gate.max_abs_bias):  # NaN fails too
        floor = f"at least {gate.min_ngini} and at most ±{gate.max_abs_bias}"
        return Decision("below_floor", f"Not promoted: {said}; required are {floor}.")
    if champion is None:
        return Decision("first_champion", f"Promoted as the first champion: {said}.")
    if isinstance(champion, Unusable):
        return _decide_unusable(said, champion, gate, approved=approved)
    gain = challenger.gain
    if gain is None:
        raise ValueError("Expected the challenger's gain over the champion, found none: run 'purse evaluate' again.")
    against = f"{said} against the champion's {champion.ngini:.4f}: {_in_words(gain)}"
    if not _is_sure(gain, gate):
        return Decision("no_gain", f"Not promoted: {against}; required are {gate.confidence:.0%}.")
    for name, part in challenger.slice_gains.items():
        if part.estimate + 2 * part.standard_error < -gate.max_slice_loss:
            loss = f"{-part.estimate:.4f} (standard error {part.standard_error:.4f})"
            return Decision(
                "worse_on_slice",
                f"Not promoted: {against}, but it loses {loss} on {name}; allowed {gate.max_slice_loss}.",
            )
    return Decision("better", f"Promoted: {against}.")


def _decide_unusable(said: str, champion: Unusable, gate: Gate, *, approved: bool) -> Decision:
    why = f"champion version {champion.version} cannot be compared ({champion.reason})"
    against = f"{said} against the best baseline, {champion.baseline}: {_in_words(champion.gain)}"
    if not _is_sure(champion.gain, gate):
        needed = f"To replace it, the challenger must be surely better; required are {gate.confidence:.0%}."
        return Decision("champion_unusable", f"Not promoted: {why} and stays. {against}. {needed}")
    if not approved:
        approve = f"To approve its replacement, run '{champion.approve}'."
        return Decision("champion_unusable", f"Not promoted: {why} and stays. {against}. {approve}")
    return Decision("champion_replaced", f"Promoted, its replacement being approved: {why}. {against}.")


def _is_sure(gain: Gain, gate: Gate) -> bool:
    return gain.estimate > 0 and gain.better_share >= gate.confidence  # NaN is not sure


def _in_words(gain: Gain) -> str:
    return (
        f"gain {gain.estimate:+.4f} (standard error {gain.standard_error:.4f}), "
        f"better in {gain.better_share:.0%} of bootstrap samples"
    )
