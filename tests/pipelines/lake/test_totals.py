"""A jump of the expected total against the last scores."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.lake.totals import require_usual_total

LAST, A_DAY = date(2025, 5, 30), timedelta(days=1)


@pytest.fixture
def scored(settings):
    """Two users who were expected to spend 14,339 together."""
    spend = [10_000.0, 4_339.0]
    rows = [{"snapshot_date": LAST, "user_id": str(n), "horizon_days": 28, "expected_spend": spend[n]} for n in (0, 1)]
    tables.replace(settings, "predictions", pa.Table.from_pylist(rows), "snapshot_date", LAST, LAST + A_DAY)
    return settings.with_changes(scoring__max_total_change=3.0, horizon_days=28)


@pytest.mark.parametrize("total", [0.01, 50_000.0, float("nan")])
def test_a_jump_of_the_total_stops(scored, total):
    with pytest.raises(PurseError, match=rf"{total:,.2f} from 2 users; .*14,339\.00 from 2.*2026-02-02 --confirm"):
        require_usual_total(scored, total, 2, date(2026, 2, 2))


def test_a_usual_change_passes(scored):
    require_usual_total(scored, 5_000.0, 2, LAST + A_DAY)
    require_usual_total(scored, 40_000.0, 2, LAST + A_DAY)


def test_only_earlier_scores_of_the_same_horizon_count(scored):
    require_usual_total(scored, 0.01, 2, LAST)
    require_usual_total(scored.with_changes(horizon_days=7), 0.01, 2, LAST + A_DAY)
    require_usual_total(scored.with_changes(scoring__max_total_change=None), 0.01, 2, LAST + A_DAY)
