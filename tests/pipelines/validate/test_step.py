"""The step `validate` on a real lake: what is kept, what is quarantined, and that no row is ever lost."""

from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.errors import NothingToDo, PurseError
from pipelines.lake import commit_log, tables
from pipelines.lake.checks import check
from pipelines.settings import Settings, load_settings
from pipelines.validate import judge as judging
from pipelines.validate.days import COPY_DAYS
from pipelines.validate.step import validate

DAY, A_DAY = date(2001, 1, 1), timedelta(days=1)
SCHEMA = pa.schema(
    {
        "order_id": pa.string(),
        "product_id": pa.string(),
        "line": pa.int64(),
        "user_id": pa.string(),
        "ordered_at": pa.timestamp("us"),
        "quantity": pa.float64(),
        "unit_price": pa.float64(),
        "amount": pa.float64(),
        "source_file": pa.string(),
        "source_line": pa.int64(),
        "fault": pa.string(),
        "day": pa.date32(),
    }
)


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("PURSE_HOME", str(tmp_path))
    return load_settings().with_changes(ingest__max_quarantined_share=0.6)


def line(order: str, day: date = DAY, **changes) -> dict:
    return {
        "order_id": order,
        "product_id": "p",
        "line": 1,
        "user_id": "u",
        "ordered_at": None if day == tables.UNDATED else datetime.combine(day, time()),
        "quantity": 1.0,
        "unit_price": 5.0,
        "amount": 5.0,
        "source_file": "orders.csv",
        "source_line": 1,
        "fault": "ordered_at is not a TIMESTAMP" if day == tables.UNDATED else None,
        "day": day,
    } | changes


def stage(settings: Settings, *lines: dict) -> None:
    rows = pa.Table.from_pylist(list(lines), SCHEMA)
    tables.replace(settings, "staging/order_lines", rows, "day", date(1900, 1, 1), date(2100, 1, 1))


def read(settings: Settings, table: str) -> pd.DataFrame:
    expression = tables.read(tables.connect(), settings, f"{table}/order_lines")
    return expression.to_pandas().sort_values(["day", "order_id", "amount"]).reset_index(drop=True)


def orders(settings: Settings, table: str) -> list[str]:
    return read(settings, table)["order_id"].tolist()


def test_each_row_is_kept_or_quarantined_with_its_reasons(settings):
    stage(
        settings,
        line("good"),
        line("undated", tables.UNDATED),
        line("bad", user_id=None, quantity=0.0),
        line("return", quantity=-1.0, amount=-5.0),
    )
    result = validate(settings)
    assert (result.from_date, result.to_date) == (date(2001, 1, 1), date(2001, 1, 2))
    counts = result.tables["order_lines"]
    assert (counts.rows_in, counts.rows_kept, counts.rows_quarantined) == (4, 2, 2)
    assert counts.reasons == {
        "readable": 1,
        "ordered_at_not_null": 1,
        "user_id_not_null": 1,
        "quantity_not_zero": 1,
    }
    assert orders(settings, "raw") == ["good", "return"]
    assert set(read(settings, "raw").columns) == set(SCHEMA.names) - {"source_file", "source_line", "fault"}
    quarantined = read(settings, "quarantine")
    assert quarantined["reason"].tolist() == ["readable, ordered_at_not_null", "user_id_not_null, quantity_not_zero"]
    assert set(quarantined.columns) == {*SCHEMA.names, "reason"}


def test_the_first_of_a_key_is_kept_and_a_repaired_line_wins_over_its_fault(settings):
    stage(
        settings,
        line("twice", amount=1.0, source_line=1),
        line("twice", amount=2.0, source_line=2),
        line("repaired", amount=1.0, source_line=3, fault="amount is not a DOUBLE"),
        line("repaired", amount=2.0, source_line=4),
    )
    validate(settings)
    assert read(settings, "raw")[["order_id", "amount"]].values.tolist() == [["repaired", 2.0], ["twice", 1.0]]


def test_rows_without_a_key_are_not_copies_of_each_other(settings):
    stage(settings, line("good"), line("good 2"), line("", order_id=None), line("", order_id=None))
    assert validate(settings).tables["order_lines"].reasons == {"order_id_not_null": 2}


def test_day_by_day_gives_the_same_as_one_run(settings):
    stage(settings, line("a"), line("a", DAY + A_DAY), line("b", DAY + A_DAY), line("b", DAY + A_DAY * 2), line("c"))
    whole = validate(settings).tables["order_lines"]
    raw, quarantine = read(settings, "raw"), read(settings, "quarantine")
    assert raw["order_id"].tolist() == ["a", "c", "b"]
    daily = settings.with_changes(ingest__max_quarantined_share=1.0, home=str(settings.home_path / "daily"))
    stage(daily, line("a"), line("a", DAY + A_DAY), line("b", DAY + A_DAY), line("b", DAY + A_DAY * 2), line("c"))
    for n in range(3):
        with suppress(NothingToDo):  # the third day has nothing but a copy
            validate(daily, DAY + A_DAY * n, DAY + A_DAY * (n + 1))
    assert whole.rows_quarantined == 2
    pd.testing.assert_frame_equal(read(daily, "raw"), raw)
    pd.testing.assert_frame_equal(read(daily, "quarantine"), quarantine)


def test_a_rerun_replaces_its_days_and_no_others(settings):
    stage(settings, line("old"), line("new", DAY + A_DAY))
    validate(settings)
    stage(settings, line("old, changed"), line("corrected", DAY + A_DAY))
    validate(settings, DAY + A_DAY, DAY + A_DAY * 2)
    first = read(settings, "raw")
    validate(settings, DAY + A_DAY, DAY + A_DAY * 2)
    assert orders(settings, "raw") == ["old", "corrected"]
    pd.testing.assert_frame_equal(read(settings, "raw"), first)


def test_above_the_limit_raw_stays_and_quarantine_shows_why(settings):
    stage(settings, line("good"))
    validate(settings)
    stage(settings, line("good, later"), *(line(str(n), amount=None, source_line=n) for n in range(7, 10)))
    worth = r"amount_not_null \(3 rows, about 15.00 of 20.00 \(75.0% of money\)\)"
    with pytest.raises(PurseError, match=rf"3 of 4 .* allows 60.0%.*{worth}; first in orders.csv line 7"):
        validate(settings)
    assert orders(settings, "raw") == ["good"]
    assert orders(settings, "quarantine") == ["7", "8", "9"]


def test_old_undated_rows_do_not_stop_a_good_day(settings):
    history = [line(str(n), DAY - A_DAY * n) for n in range(1, 20)]
    stage(settings, *history, line("today"), *(line(f"u{n}", tables.UNDATED) for n in range(5)))
    counts = validate(settings, DAY, DAY + A_DAY).tables["order_lines"]
    assert (counts.rows_kept, counts.rows_quarantined) == (1, 5)
    with pytest.raises(PurseError, match="5 of all 25 have no readable time"):
        validate(settings.with_changes(ingest__max_quarantined_share=0.1), DAY, DAY + A_DAY)


def test_a_table_above_the_limit_holds_back_the_others(settings):
    stage(settings, line("good"))
    users = {"user_id": [""], "valid_from": [datetime.combine(DAY, time())], "source_file": ["users.csv"]}
    rows = pa.table({**users, "source_line": [1], "fault": pa.array([None], pa.string()), "day": [DAY]})
    tables.replace(settings, "staging/users", rows, "day", DAY, DAY + A_DAY)
    with pytest.raises(PurseError, match="table 'users'"):
        validate(settings)
    assert not tables.exists(settings, "raw/order_lines")


def test_a_day_without_rows_is_reported(settings):
    stage(settings, line("a"), line("b", DAY + A_DAY * 3))
    (warning,) = validate(settings).warnings
    assert warning.endswith("(the day has rows) is broken in 2 of 4 days, such as 2001-01-02 (0), 2001-01-03 (0)")


def test_a_period_without_orders_leaves_nothing_to_do_and_the_rest_as_it_is(settings):
    stage(settings, line("a"), line("b", DAY + A_DAY * 3))
    validate(settings)
    with pytest.raises(NothingToDo, match="has no orders from 2001-01-02"):
        validate(settings, DAY + A_DAY, DAY + A_DAY * 2)
    assert orders(settings, "raw") == ["a", "b"]


def test_a_crash_between_quarantine_and_raw_is_repaired_by_a_rerun(settings, monkeypatch):
    stage(settings, line("a"), line("b", amount=None))
    written = tables.replace_days

    def dies_at_raw(settings, table, *arguments):
        if table.startswith("raw"):
            raise KeyboardInterrupt
        written(settings, table, *arguments)

    with monkeypatch.context() as crash:
        crash.setattr(tables, "replace_days", dies_at_raw)
        with pytest.raises(KeyboardInterrupt):
            validate(settings)
    assert orders(settings, "quarantine") == ["b"]
    validate(settings)
    assert (orders(settings, "raw"), orders(settings, "quarantine")) == (["a"], ["b"])


def test_nothing_staged_and_an_empty_range_say_what_to_do(settings):
    with pytest.raises(PurseError, match="Run 'purse ingest' first"):
        validate(settings)
    stage(settings, line("a"))
    with pytest.raises(PurseError, match="Give a later --to"):
        validate(settings, DAY, DAY)


PREDICTIONS = pd.DataFrame(
    {
        "user_id": ["a", "b"],
        "expected_spend": [1.0, 2.0],
        "purchase_probability": [0.1, 0.2],
        "score": [10.0, 20.0],
        "tier": ["low", "low"],
        "basis": ["orders", "orders"],
    }
)


def test_check_reports_warnings_and_stops_at_critical_faults(settings):
    result = check(settings, PREDICTIONS, "predictions", DAY)
    assert result.warnings == ["predictions: rule 'tier_varies' (tier holds more than one value) is broken"]
    assert Path(result.data_docs).is_relative_to(settings.data_docs)
    with pytest.raises(PurseError, match=r"user_id_unique.*in 2 of 2 rows"):
        check(settings, PREDICTIONS.assign(user_id="a"), "predictions", DAY)


def test_check_compares_with_the_snapshot_before(settings):
    users = [f"u{n}" for n in range(100)]
    before = pd.DataFrame(
        {"user_id": users, "expected_spend": [float(n) for n in range(100)], "tier": ["low", "mid"] * 50}
    )
    rows = pa.Table.from_pandas(before.assign(snapshot_date=DAY - A_DAY * 7), preserve_index=False)
    tables.replace(settings, "predictions", rows, "snapshot_date", DAY - A_DAY * 7, DAY)
    whole = {"purchase_probability": 0.5, "score": 50.0, "basis": "orders"}
    assert check(settings, before.assign(**whole), "predictions", DAY).warnings == []
    worse = before.assign(**whole, expected_spend=500.0 + before["expected_spend"]).head(40)
    warnings = check(settings, worse, "predictions", DAY).warnings
    assert [line.split("'")[1] for line in warnings] == ["volume_usual", "expected_spend_shift_usual"]
    assert "in 1 of 1 days, such as 2001-01-01 (-6)" in warnings[0]


def test_check_of_features_warns_of_what_is_all_null(settings):
    frame = pd.DataFrame({"snapshot_date": DAY, "user_id": ["a", "b"], "gap_mean": [None, None], "T": [3.0, 4.0]})
    warnings = check(settings, frame.astype({"gap_mean": float}), "features", DAY).warnings
    assert warnings == ["features: rule 'gap_mean_varies' (gap_mean holds more than one value) is broken"]


WEEK = [line(f"o{n}", DAY + A_DAY * n) for n in range(7)]


def files(settings, table="raw"):
    return commit_log.files(tables.open_table(settings, f"{table}/order_lines"))


def restage(settings, *lines, day):
    rows = pa.Table.from_pylist(list(lines), SCHEMA)
    tables.replace(settings, "staging/order_lines", rows, "day", day, day + A_DAY)


def counts(said):
    found = said.tables["order_lines"]
    return found.rows_in, found.days_written


def test_only_changed_days_are_judged_and_only_changed_rows_written(settings):
    stage(settings, *WEEK)
    assert counts(validate(settings)) == (7, 7)
    before = files(settings)
    assert counts(validate(settings)) == (1, 0)  # the newest day is looked at each time
    restage(settings, line("o2", DAY + A_DAY * 2), day=DAY + A_DAY * 2)  # the same rows in another file
    assert counts(validate(settings)) == (2, 0)
    assert files(settings) == before
    restage(settings, line("o2", DAY + A_DAY * 2, amount=9.0), day=DAY + A_DAY * 2)
    assert counts(validate(settings)) == (2, 1)
    changed = {day for day in before if files(settings)[day] != before[day]}
    assert changed == {DAY + A_DAY * 2}


def test_days_outside_a_range_stay_open(settings):
    stage(settings, *WEEK)
    validate(settings, DAY, DAY + A_DAY * 2)
    assert counts(validate(settings, DAY + A_DAY * 6, DAY + A_DAY * 7)) == (1, 1)
    assert counts(validate(settings)) == (5, 4)
    assert orders(settings, "raw") == [f"o{n}" for n in range(7)]


def test_a_copy_becomes_the_first_when_its_original_goes(settings):
    stage(settings, line("a"), line("a", DAY + A_DAY * 3), line("z", DAY + A_DAY * 5))
    assert validate(settings).tables["order_lines"].reasons == {"first_of_its_key": 1}
    restage(settings, line("b"), day=DAY)
    assert validate(settings).tables["order_lines"].rows_in == 3
    assert orders(settings, "raw") == ["b", "a", "z"]
    assert orders(settings, "quarantine") == []


def test_a_day_that_is_no_longer_staged_leaves_raw_and_quarantine_only_on_purpose(settings):
    stage(settings, *WEEK, line("bad", DAY + A_DAY, amount=None))
    validate(settings)
    restage(settings, day=DAY + A_DAY)
    assert any("1 validated rows of 2001-01-02 are no longer staged" in text for text in validate(settings).warnings)
    assert (len(orders(settings, "raw")), orders(settings, "quarantine")) == (7, ["bad"])
    validate(settings, DAY + A_DAY, DAY + A_DAY * 3, replace=True)
    assert (len(orders(settings, "raw")), orders(settings, "quarantine")) == (6, [])


def test_a_validated_day_that_moves_to_quarantine_stops(settings):
    busy = [line(f"b{n}", DAY + A_DAY * 6, source_line=n) for n in range(10)]
    stage(settings, *WEEK, *busy)
    validate(settings)
    broken = [one | {"amount": None} for one in busy[:6]]
    restage(settings, WEEK[6], *broken, *busy[6:], day=DAY + A_DAY * 6)
    with pytest.raises(
        PurseError, match=r"2001-01-07 \(11 rows and 55.00 of sales, now 5 .*amount_not_null \(6\)(.|\n)*--replace"
    ):
        validate(settings)
    assert len(orders(settings, "raw")) == 17
    validate(settings, replace=True)
    assert len(orders(settings, "raw")) == 11


@pytest.mark.parametrize(("days", "kept"), [(COPY_DAYS, 1), (COPY_DAYS + 1, 2)])
def test_a_key_counts_as_used_for_so_many_days(settings, days, kept):
    stage(settings, line("a"), line("a", DAY + timedelta(days=days)))
    assert validate(settings).tables["order_lines"].rows_kept == kept


def test_portions_give_the_same_as_one_run(settings, monkeypatch):
    rows = [*WEEK, line("o1", DAY + A_DAY * 4), line("bad", DAY + A_DAY, amount=None), line("u", tables.UNDATED)]
    stage(settings, *rows)
    whole = validate(settings)
    raw, quarantine = read(settings, "raw"), read(settings, "quarantine")
    other = settings.with_changes(home=str(settings.home_path / "other"))
    stage(other, *rows)
    monkeypatch.setattr(judging, "ROWS_AT_ONCE", 2)
    cut = validate(other)
    counts = [
        {name: rows.model_copy(update={"data_docs": ""}) for name, rows in one.tables.items()} for one in (cut, whole)
    ]
    assert counts[0] == counts[1]  # the report is that of the last portion
    pd.testing.assert_frame_equal(read(other, "raw"), raw)
    pd.testing.assert_frame_equal(read(other, "quarantine"), quarantine)


def test_other_rules_judge_every_day_anew(settings, monkeypatch):
    stage(settings, *WEEK)
    validate(settings)
    monkeypatch.setattr("pipelines.validate.step.code", lambda: "other")
    assert counts(validate(settings)) == (7, 0)


def test_a_slip_of_the_year_is_not_the_newest_day_of_a_rerun(settings):
    stage(settings, *(line(str(n), DAY + A_DAY * n) for n in range(4)), line("slip", date(2099, 1, 1)))
    results = [validate(settings), validate(settings)]
    assert [one.snapshot_date for one in results] == [date(2001, 1, 5)] * 2
    assert results[1].to_date == date(2001, 1, 5)
    assert orders(settings, "quarantine") == ["slip"]


def test_the_first_years_of_a_shop_that_grew_are_kept(settings):
    slow = [line(f"slow {n}", DAY + timedelta(weeks=n)) for n in range(150)]
    fast = [line(f"fast {n}-{m}", DAY + timedelta(weeks=150, days=n)) for n in range(60) for m in range(60)]
    stage(settings, line("slip", date(1991, 1, 1)), *slow, *fast, line("slip", date(2080, 1, 1)))
    assert validate(settings).tables["order_lines"].reasons == {"ordered_at_near_the_others": 2}
