"""Times small enough to add up by hand."""

from datetime import datetime, timedelta
from itertools import count

import pytest
from optuna.trial import FrozenTrial, TrialState

from pipelines.retraining.study.budget import DIED, busy_seconds, next_in_turn, spans

START = datetime(2020, 1, 1)  # noqa: DTZ001  (Optuna's times are local)
COMPLETE, FAIL, PRUNED, RUNNING, WAITING = (
    TrialState[name] for name in ("COMPLETE", "FAIL", "PRUNED", "RUNNING", "WAITING")
)
numbers = count()


def trial(family, draw, state, start=None, end=None, error=None) -> FrozenTrial:
    number = next(numbers)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=0.5 if state == COMPLETE else None,
        datetime_start=None if start is None else START + timedelta(seconds=start),
        datetime_complete=None if end is None else START + timedelta(seconds=end),
        params={},
        distributions={},
        user_attrs={"family": family, "draw": draw} | ({"error": error} if error else {}),
        system_attrs={},
        intermediate_values={},
    )


def test_the_time_spent_is_that_of_trials_and_not_of_the_gaps_between():
    trials = [trial("mlp", 0, COMPLETE, 0, 10), trial("mlp", 1, FAIL, 5, 12), trial("mlp", 2, PRUNED, 100, 103)]
    assert busy_seconds(trials) == 15


def test_a_killed_trial_counts_as_the_longest_of_its_family_and_not_until_it_was_found():
    ended = [trial("mlp", 0, COMPLETE, 0, 10), trial("mlp", 1, COMPLETE, 10, 14), trial("svm", 0, COMPLETE, 14, 34)]
    found_late, found_soon = trial("mlp", 2, FAIL, 40, 9_000, DIED), trial("mlp", 3, FAIL, 9_000, 9_003, DIED)
    of_another = trial("cnn", 0, FAIL, 9_003, 20_000, DIED)
    used = [seconds for _, seconds in spans([*ended, found_late, found_soon, of_another])]
    assert used == [10, 4, 20, 10, 3, 20]
    assert busy_seconds([*ended, found_late, found_soon, of_another]) == 34 + 10 + 3 + 20


def test_nothing_has_ended():
    running = trial("mlp", 0, RUNNING, 0)
    assert busy_seconds([running, trial("mlp", 1, WAITING)]) == 0
    assert spans([running]) == [(running, 0)]
    assert busy_seconds([]) == 0


def test_defaults_come_first_then_the_family_that_used_the_least_time():
    slow, quick = trial("cnn", 0, COMPLETE, 0, 30), trial("svm", 0, COMPLETE, 0, 2)
    slots = [trial("cnn", 1, WAITING), trial("svm", 1, WAITING), trial("cnn", 2, WAITING), trial("svm", 2, WAITING)]
    default = trial("mlp", 0, WAITING)
    assert next_in_turn([*slots, default], [slow, quick]) is default
    assert next_in_turn(slots, [slow, quick]) is slots[1]


@pytest.mark.parametrize("state", [FAIL, RUNNING])
def test_trials_that_failed_or_run_count_as_time_used(state):
    ended = [trial("cnn", 0, COMPLETE, 0, 10), trial("svm", 0, COMPLETE, 0, 9)]
    more = trial("svm", 1, state, 10, 15 if state == FAIL else None, "too large")
    slots = [trial("svm", 2, WAITING), trial("cnn", 1, WAITING)]
    assert next_in_turn(slots, ended) is slots[0]
    assert next_in_turn(slots, [*ended, more]) is slots[1]


def test_nothing_waits():
    assert next_in_turn([], [trial("mlp", 0, COMPLETE, 0, 1)]) is None


def test_over_a_sweep_the_families_use_about_the_same_time():
    takes = {"cnn": 10, "forest": 4, "svm": 1}
    waiting = [trial(family, draw, WAITING) for draw in range(50) for family in takes]
    ended, now = [], 0
    while now < 150:
        chosen = next_in_turn(waiting, ended)
        waiting.remove(chosen)
        family = chosen.user_attrs["family"]
        ended.append(trial(family, chosen.user_attrs["draw"], COMPLETE, now, now + takes[family]))
        now += takes[family]
    used = dict.fromkeys(takes, 0.0)
    for done, seconds in spans(ended):
        used[done.user_attrs["family"]] += seconds
    assert max(used.values()) - min(used.values()) <= 10
