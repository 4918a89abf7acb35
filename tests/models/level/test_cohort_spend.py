from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models.level import cohort_spend
from models.level.cohort_spend import CohortSpend

START = date(2024, 1, 1)


def table(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    """Rows of first day, day and spend, in days since START."""
    frame = pd.DataFrame(rows, columns=["first_day", "day", "spend"])
    for column in ("first_day", "day"):
        frame[column] = pd.Timestamp(START) + pd.to_timedelta(frame[column], unit="D")
    return frame


def shop(cohorts: int, days: int, slope: float) -> pd.DataFrame:
    """Each cohort spends 100 on its first day and 5 · age^slope on each later one."""
    return table(
        [
            (first, day, 100.0 if day == first else 5.0 * (day - first) ** slope)
            for first in range(cohorts)
            for day in range(first, days)
        ]
    )


def test_known_spend_of_a_table_by_hand() -> None:
    daily = table([(0, 0, 1.0), (0, 2, 2.0), (1, 1, 4.0), (1, 2, 8.0), (2, 2, 16.0), (2, 9, 99.0), (9, 9, 99.0)])
    spend = CohortSpend.of(daily, START, START + timedelta(days=3))
    assert spend.known.tolist() == [[0, 0, 0], [1, 0, 2], [1, 4, 10], [1, 4, 26]]
    assert spend.total.tolist() == [1, 4, 26]
    assert spend.before(2).known.tolist() == [[0, 0], [1, 0], [1, 4]]


def test_a_long_history_is_cut_and_its_first_users_stay_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort_spend, "MEMORY_DAYS", 2)
    spend = CohortSpend.of(table([(0, 0, 1.0), (0, 3, 2.0), (3, 3, 4.0)]), START, START + timedelta(days=4))
    assert (spend.first_day, spend.recorded_days) == (START + timedelta(days=2), 2)
    assert spend.known.tolist() == [[0, 2], [0, 2], [0, 6]]


def test_no_day() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        CohortSpend.of(table([]), START, START)


def test_share_of_known_users_is_found_where_new_ones_come_every_day() -> None:
    whole = CohortSpend.of(shop(230, 230, -0.5), START, START + timedelta(days=230))
    actual = whole.known[200, 200:].sum() / whole.total[200:].sum()
    assert whole.before(200).known_share(30) == pytest.approx(actual, abs=0.03)


def test_nobody_new_and_nothing_spent() -> None:
    closed = CohortSpend.of(shop(1, 60, 0.0), START, START + timedelta(days=60))
    assert closed.known_share(28) == pytest.approx(1.0, abs=1e-3)
    empty = CohortSpend.of(table([]), START, START + timedelta(days=60))
    assert empty.known_share(28) == 1.0
    assert empty.ageing(28) == 0.0


@pytest.mark.parametrize("slope", [0.0, -0.6, -1.2])
def test_ageing_of_a_closed_group_is_exact(slope: float) -> None:
    whole = CohortSpend.of(shop(10, 400, slope), START, START + timedelta(days=400))
    assert whole.before(100).ageing(300) == pytest.approx(whole.known[100, 100:].sum(), rel=0.01)


def test_ageing_leaves_new_users_out_and_shrugs_at_one_enormous_order() -> None:
    daily = shop(150, 150, -0.6)
    whole = CohortSpend.of(daily, START, START + timedelta(days=150))
    actual = whole.known[120, 120:].sum()
    assert whole.before(120).ageing(30) == pytest.approx(actual, rel=0.02)
    order = pd.concat([daily, table([(3, 100, 20 * daily["spend"].max())])])
    spoiled = CohortSpend.of(order, START, START + timedelta(days=120))
    assert spoiled.ageing(30) == pytest.approx(actual, rel=0.1)


def test_ageing_needs_eight_weeks() -> None:
    assert CohortSpend.of(shop(1, 56, 0.0), START, START + timedelta(days=56)).ageing(28) is None


def test_returns_that_exceed_purchases_stay_finite() -> None:
    spend = CohortSpend.of(shop(20, 90, -0.5).assign(spend=-1.0), START, START + timedelta(days=90))
    assert np.isfinite([spend.known_share(28), spend.ageing(28)]).all()
