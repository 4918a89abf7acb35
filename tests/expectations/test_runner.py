"""The runner: plain reports, errors that are not verdicts, pages that replace each other."""

import json
from dataclasses import asdict, replace
from datetime import date, timedelta

import pandas as pd
import pytest

from expectations import pages
from expectations.rules import finite, not_null, one_of
from expectations.runner import validate

DAY = date(2001, 2, 1)
FRAME = pd.DataFrame({"x": [1.0, float("inf"), None]})


def test_the_report_is_plain_and_in_the_order_of_the_suite():
    report = validate(FRAME, (finite("x"), not_null("x")), "test", DAY, None)
    assert [(result.rule, result.failing) for result in report.results] == [("x_finite", 1), ("x_not_null", 1)]
    assert report.results[0].examples == ("inf",)
    assert json.loads(json.dumps(asdict(report)))["rows"] == 3
    assert report.describe(report.results[0]) == (
        "test: rule 'x_finite' (x is finite) is broken in 1 of 3 rows, such as inf"
    )


def test_a_missing_column_is_an_error_and_not_bad_data():
    with pytest.raises(ValueError, match="'test' reads columns that the table lacks: y"):
        validate(FRAME, (finite("y"),), "test", DAY, None)


def test_what_great_expectations_hides_in_its_result_is_raised():
    text = pd.DataFrame({"x": ["a", "b"]})
    with pytest.raises(ValueError, match="could not evaluate rule 'x_finite'"):
        validate(text, (finite("x"),), "test", DAY, None)


def test_two_rules_alike_but_for_the_name_both_report():
    twins = (one_of("x", (1,)), replace(one_of("x", (1,)), name="again"))
    assert [result.rule for result in validate(FRAME, twins, "test", DAY, None).results] == ["x_one_of", "again"]


def test_pages_hold_every_table_and_a_rerun_replaces_its_own(tmp_path):
    for name, day in [("users", DAY), ("orders", DAY), ("orders", DAY), ("orders", DAY + timedelta(days=1))]:
        report = validate(FRAME, (finite("x"),), name, day, tmp_path / "docs")
    assert report.data_docs.relative_to(tmp_path / "docs").parts[:3] == ("validations", "orders", "2001-02-02")
    pages = sorted(p.relative_to(tmp_path / "docs").parts[1:3] for p in tmp_path.glob("docs/validations/**/*.html"))
    assert pages == [("orders", "2001-02-01"), ("orders", "2001-02-02"), ("users", "2001-02-01")]
    index = (tmp_path / "docs" / "index.html").read_text()
    assert all("/".join(page) in index for page in pages)


def test_only_the_newest_results_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "KEPT_RESULTS", 2)
    for n in range(4):
        validate(FRAME, (finite("x"),), "orders", DAY - timedelta(days=n), tmp_path)
    kept = {p.name for p in (tmp_path / "validations" / "orders").iterdir()}
    assert kept == {"2001-01-30", "2001-01-29"} == {p.name for p in (tmp_path / "results" / "orders").iterdir()}
    assert "2001-02-01" not in (tmp_path / "index.html").read_text()
