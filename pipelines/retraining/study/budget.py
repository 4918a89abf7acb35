"""The time that a sweep has used, and whose turn it is: pure arithmetic on the trials of a study."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

DIED = "the worker that ran it ended; planned again"


def spans(trials: "Sequence[FrozenTrial]") -> "list[tuple[FrozenTrial, float]]":
    """The trials that began, with the seconds that each has used.

    When a killed trial ended is known only from when it was found, and one that runs has not ended: they count as the
    longest one that ended of itself in their family (in any, where their family has none), a killed one not longer than
    until it was found.
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
    """From start to end; endless for a trial that runs."""
    if trial.datetime_complete is None:
        return float("inf")
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def busy_seconds(trials: "Sequence[FrozenTrial]") -> float:
    """Seconds in which at least one ended trial was running: wall-clock time without the gap after a kill."""
    ended = [(t.datetime_start.timestamp(), used) for t, used in spans(trials) if t.datetime_complete is not None]
    busy, until = 0.0, 0.0
    for start, used in sorted(ended):
        busy += max(start + used - max(start, until), 0.0)
        until = max(until, start + used)
    return busy


def next_in_turn(waiting: "Sequence[FrozenTrial]", trials: "Sequence[FrozenTrial]") -> "FrozenTrial | None":
    """The waiting trial to run next: first the default of each family, then of the family that used the least time.

    When the time ends a sweep, the families have had about the same share of it; trials that failed, were killed or run
    count. Within a family and among equals the order of `waiting` holds.
    """
    used: dict[str, float] = defaultdict(float)
    for trial, seconds in spans(trials):
        used[trial.user_attrs["family"]] += seconds
    return min(
        waiting,
        key=lambda t: (t.user_attrs["draw"] > 0, used[t.user_attrs["family"]] if t.user_attrs["draw"] > 0 else 0.0),
        default=None,
    )
