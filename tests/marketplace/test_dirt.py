"""Each kind of dirt alone: in the declared share, counted right, and with everything else as it was."""

import numpy as np
import pytest

from marketplace.dirt import Dirt, misread
from marketplace.shop import Shop

USERS, DAYS, SHARE = 1000, 30, 0.04


@pytest.fixture(scope="module")
def clean(simulate):
    return simulate(users=USERS, days=DAYS)


@pytest.fixture(scope="module")
def spoil(clean):
    """Both tables of the same shop with one kind of dirt, and the counts."""

    def make(*kinds):
        plan = type(clean.plan)(USERS, DAYS, 0, clean.plan.start, {}, dict.fromkeys(kinds, SHARE))
        dirt = Dirt(plan)
        return type(clean)(plan, Shop(plan), list(dirt.days(clean.days))), dirt

    return make


def assert_share(count, of):
    """Within four standard errors of the declared share."""
    assert abs(count / of - SHARE) < 4 * np.sqrt(SHARE * (1 - SHARE) / of)


def both(clean, dirty, table):
    key = "event_id" if table == "events" else ["order_id", "line"]
    return clean.frame(table).merge(dirty.frame(table), on=key, suffixes=("", "_dirty"))


def test_nulls(clean, spoil):
    dirty, dirt = spoil("nulls")
    frames = {name: dirty.frame(name) for name in ("events", "order_lines")}
    for table, column in [("events", "user_id"), ("events", "session_id"), ("order_lines", "user_id")]:
        missing = frames[table][column].isna()
        assert_share(missing.sum(), len(missing))
        assert missing.sum() == dirt.spoiled[f"{table}.nulls.{column}"]
        assert (frames[table][column][~missing] == clean.frame(table)[column][~missing]).all()
    users = dirt.users(clean.shop.users).to_pandas()
    for column in ("age", "gender", "occupation", "city"):
        assert_share(users[column].isna().sum(), len(users))


def test_duplicates(clean, spoil):
    dirty, dirt = spoil("duplicates")
    for table in ("events", "order_lines"):
        frame = dirty.frame(table)
        copies = frame.duplicated()
        assert copies.sum() == dirt.spoiled[f"{table}.duplicates"]
        assert_share(copies.sum(), len(clean.frame(table)))
        assert frame[~copies].reset_index(drop=True).equals(clean.frame(table))


def test_outliers(clean, spoil):
    dirty, dirt = spoil("outliers")
    lines, events = both(clean, dirty, "order_lines"), both(clean, dirty, "events")
    slipped = ~np.isclose(lines.amount_dirty, lines.amount)
    assert np.allclose(lines.amount_dirty[slipped], 100 * lines.amount[slipped])
    assert np.allclose(lines.unit_price_dirty[slipped], 100 * lines.unit_price[slipped])
    assert slipped.sum() == dirt.spoiled["order_lines.outliers"]
    assert_share(slipped.sum(), len(lines))
    slipped = events.dwell_seconds_dirty != events.dwell_seconds
    assert (events.dwell_seconds_dirty[slipped] == 1000 * events.dwell_seconds[slipped]).all()
    assert_share(slipped.sum(), len(events))


def test_late_rows_come_one_to_three_days_after_their_own(clean, spoil):
    dirty, dirt = spoil("late")
    for table in ("events", "order_lines"):
        joined = both(clean, dirty, table)
        assert len(joined) == len(clean.frame(table)) == len(dirty.frame(table))
        delay = joined.arrived_dirty - joined.arrived
        assert set(delay) <= {0, 1, 2, 3}
        assert (delay > 0).sum() == dirt.spoiled[f"{table}.late"]
        assert_share((delay > 0).sum(), (joined.arrived < DAYS - 3).sum())


def test_out_of_order_rows_only_change_their_places(clean, spoil):
    dirty, dirt = spoil("out_of_order")
    moved = dirty.frame("events").event_id != clean.frame("events").event_id
    assert_share(moved.sum(), len(moved))
    assert moved.sum() == dirt.spoiled["events.out_of_order"]
    assert not dirty.frame("events").occurred_at.is_monotonic_increasing
    by_id = dirty.frame("events").sort_values("event_id", ignore_index=True)
    assert by_id.equals(clean.frame("events").sort_values("event_id", ignore_index=True))


def test_bad_encodings_spoil_text_beyond_ascii(clean, spoil):
    assert misread("Köln") == "KÃ¶ln"
    dirty, dirt = spoil("bad_encodings")
    events = both(clean, dirty, "events").dropna(subset="query").astype({"query": str, "query_dirty": str})
    beyond = events[~events["query"].map(str.isascii)]
    spoilt = beyond.query_dirty != beyond["query"]
    assert (beyond.query_dirty[spoilt] == beyond["query"][spoilt].map(misread)).all()
    assert spoilt.sum() == dirt.spoiled["events.bad_encodings"]
    assert_share(spoilt.sum(), len(beyond))
    ascii_only = events[events["query"].map(str.isascii)]
    assert (ascii_only.query_dirty == ascii_only["query"]).all()
    cities = dirt.users(clean.shop.users).to_pandas().city.astype(str)
    assert cities.str.contains("Ã|Å", regex=True).any()


def test_all_kinds_together_lose_no_row(clean, spoil):
    dirty, dirt = spoil("nulls", "duplicates", "outliers", "late", "out_of_order", "bad_encodings")
    for table, key in (("events", ["event_id"]), ("order_lines", ["order_id", "line"])):
        frame, before = dirty.frame(table), clean.frame(table)
        assert len(frame) == len(before) + dirt.spoiled[f"{table}.duplicates"]
        assert len(frame.drop_duplicates(key)) == len(before)
    again, _ = spoil("nulls", "duplicates", "outliers", "late", "out_of_order", "bad_encodings")
    assert all(a.events.equals(b.events) for a, b in zip(dirty.days, again.days, strict=True))


@pytest.mark.parametrize("users", [1, 2])
def test_text_without_any_value_has_nothing_to_spoil(simulate, users):
    plan = simulate(users=users, days=3, dirt=dict.fromkeys(("nulls", "bad_encodings"), 0.99)).plan
    dirt = Dirt(plan)
    assert dirt.users(Shop(plan).users)["city"].null_count == users
    assert dirt.spoiled["users.bad_encodings"] == 0
