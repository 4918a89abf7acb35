"""Which snapshots a retraining uses, on calendars small enough to check by eye."""

from datetime import date, timedelta

import pytest

from pipelines.errors import PurseError
from pipelines.retraining.snapshots import plan_snapshots
from pipelines.settings import load_settings

CONFIG = load_settings().snapshots


def test_ta_feng():
    plan = plan_snapshots(date(2000, 11, 1), date(2001, 3, 1), 28, CONFIG)
    assert plan.test == date(2001, 2, 1)
    assert plan.label_days == 28
    assert plan.final[0] == date(2001, 1, 4)
    assert plan.folds[0].validation == date(2001, 1, 4)
    assert plan.folds[0].training[0] == date(2000, 12, 7)
    assert plan.folds[1].validation == date(2000, 12, 28)


def test_a_short_history_gets_shorter_labels():
    plan = plan_snapshots(date(1997, 1, 1), date(1998, 7, 1), 273, CONFIG)
    assert plan.test == date(1997, 10, 1)
    assert plan.label_days == 91


def test_no_label_reaches_into_the_window_it_is_measured_on():
    for history in range(80, 400, 17):
        end = date(2000, 1, 1) + timedelta(days=history)
        plan = plan_snapshots(date(2000, 1, 1), end, 28, CONFIG)
        label = timedelta(days=plan.label_days)
        assert all(snapshot + label <= plan.test for snapshot in plan.final)
        for fold in plan.folds:
            assert fold.validation + label <= plan.test
            assert all(snapshot + label <= fold.validation for snapshot in fold.training)


def test_no_fold_fits():
    with pytest.raises(PurseError, match="too short for a test window of 28 days"):
        plan_snapshots(date(2000, 1, 1), date(2000, 2, 15), 28, CONFIG)
