"""Time budget of a sweep and choice of the next trial: pure arithmetic on the trials of a study."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

DIED = "the worker that ran it ended; planned again"
"""Error of a trial whose worker died."""


def spans(trials: "Sequence[FrozenTrial]") -> "list[tuple[FrozenTrial, float]]":
    """Return the started trials with the seconds that each has used.

    The end of a killed or running trial is unknown. Both count as the longest trial of their family that ended
    normally (of any family if theirs has none); a killed trial counts at most until it was found dead.
    """
    begun = [trial for trial in trials if trial.datetime_start is not None]
    ended = {t.number: _seconds(t) for t in begun if t.datetime_complete and t.user_attrs.get("error") != DIED}
    longest: dict[str, float] = defaultdict(lambda: max(ended.values(), default=0.0))
    for trial in begun:
        if trial.number in ended:
            family = trial.user_attrs["family"]
            longest[family] = max(longest.get(family, 0.0), ended[trial.number])
    return [
        (trial, ended.get(trial.number, min(_seconds(trial), longest[trial.user_attrs["family"]]))) for trial in begun
    ]


def _seconds(trial: "FrozenTrial") -> float:
    """Seconds from start to end; infinite for a running trial."""
    if trial.datetime_complete is None:
        return float("inf")
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def busy_seconds(trials: "Sequence[FrozenTrial]") -> float:
    """Seconds during which at least one ended trial ran: wall-clock time without the gaps after a kill."""
    ended = [(t.datetime_start.timestamp(), used) for t, used in spans(trials) if t.datetime_complete is not None]
    busy, until = 0.0, 0.0
    for start, used in sorted(ended):
        busy += max(start + used - max(start, until), 0.0)
        until = max(until, start + used)
    return busy


def next_in_turn(waiting: "Sequence[FrozenTrial]", trials: "Sequence[FrozenTrial]") -> "FrozenTrial | None":
    """Choose the waiting trial to run next: each family's default first, then the family that used the least time.

    A sweep that runs out of time has thus given its families about equal shares. Failed, killed and running trials
    count. The order of `waiting` decides within a family and between ties.
    """
    used: dict[str, float] = defaultdict(float)
    for trial, seconds in spans(trials):
        used[trial.user_attrs["family"]] += seconds
    return min(
        waiting,
        key=lambda t: (t.user_attrs["draw"] > 0, used[t.user_attrs["family"]] if t.user_attrs["draw"] > 0 else 0.0),
        default=None,
    )
