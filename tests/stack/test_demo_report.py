from datetime import UTC, datetime, timedelta

import pytest

from models.promotion import Decision
from stack.demo_report import Span, model_table, spans, time_line, time_split
from tests import samples

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def span(start: float, end: float, starting: float, computing: float) -> Span:
    return Span(NOON + timedelta(seconds=start), NOON + timedelta(seconds=end), starting, computing)


def test_one_step_alone():
    # 0-3 Airflow, 3-5 starting, 5-10 computing
    assert time_split([span(0, 10, 2, 5)]) == (10, 5, 2)


def test_steps_after_another_with_a_gap():
    assert time_split([span(0, 10, 1, 8), span(12, 20, 1, 6)]) == (20, 14, 2)


def test_parallel_steps_count_once_and_computing_hides_starting():
    # the second starts from 2 to 4, while the first computes from 1 to 9
    assert time_split([span(0, 9, 1, 8), span(2, 10, 2, 6)]) == (10, 9, 1)


def test_a_step_inside_another_adds_nothing():
    assert time_split([span(0, 10, 0, 10), span(3, 5, 1, 1)]) == (10, 10, 0)


def test_a_step_never_claims_more_than_its_task_took():
    assert time_split([span(0, 4, 3, 9)]) == (4, 4, 0)


def test_tasks_that_never_ran_and_tasks_that_are_no_steps():
    ran = {"start_date": "2026-01-01T12:00:00Z", "end_date": "2026-01-01T12:00:02Z"}
    found = spans([ran, {"start_date": None, "end_date": None}], [{}, {}])
    assert [time_split(found)] == [(2, 0, 0)]


def test_the_shares_of_the_line_add_up():
    assert time_line([span(0, 10, 2, 5)]) == (
        "10 s from the first task to the last: computing 5 s (50%), starting 2 s (20%), orchestration 3 s (30%)."
    )


@pytest.mark.parametrize(
    ("outcome", "names"),
    [
        ("better", ["champion, version 3", "baseline previous_window", "baseline linear_rfm"]),
        (
            "no_gain",
            ["challenger, version 3", "champion, version 2", "baseline previous_window", "baseline linear_rfm"],
        ),
        (
            "champion_unusable",
            ["challenger, version 3", "champion, version 2", "baseline previous_window", "baseline linear_rfm"],
        ),
        (
            "baseline_champion",
            ["challenger, version 2", "champion, version 3", "baseline previous_window", "baseline linear_rfm"],
        ),
        ("champion_replaced", ["champion, version 3", "baseline previous_window", "baseline linear_rfm"]),
    ],
)
def test_a_challenger_that_lost_is_shown_beside_the_champion(outcome, names):
    measures = {"ngini": 0.5, "bias": 0.1, "decile_wape": 0.2}
    measured = samples.evaluated(
        measures=measures,
        champion=None if "champion" in outcome else samples.compared(measures),
        champion_version="2",
        baselines={name: samples.compared(measures) for name in ("mean", "previous_window", "linear_rfm")},
    )
    stands_in = {"refused": "2", "baseline": "previous_window"} if outcome == "baseline_champion" else {}
    decided = samples.decided(outcome=outcome, promoted=Decision(outcome, "").promoted, **stands_in)
    table = model_table(samples.trained(), measured, decided)
    assert [str(cell).splitlines()[0] for cell in table.columns[0].cells] == names
