"""The runner: plain reports, errors that are not verdicts, pages that replace each other."""

import json
import re
from dataclasses import asdict, replace
from datetime import date, timedelta

import pandas as pd
import pytest

from expectations import pages
from expectations.report import together
from expectations.rules import between, finite, not_negative, not_null, one_of, warning
from expectations.runner import Part, validate

DAY = date(2001, 2, 1)
FRAME = pd.DataFrame({"x": [1.0, float("inf"), None]})


def test_the_report_is_plain_and_in_the_order_of_the_suite():
    report = validate(FRAME, (finite("x"), not_null("x")), "test", DAY, None)
    assert [(result.rule, result.failing) for result in report.results] == [("x_finite", 1), ("x_not_null", 1)]
    assert report.results[0].examples == ()  # a value may be personal
    assert json.loads(json.dumps(asdict(report)))["rows"] == 3
    assert report.describe(report.results[0]) == ("test: rule 'x_finite' (x is finite) is broken in 1 of 3 rows")


def test_a_missing_column_is_an_error_and_not_bad_data():
    with pytest.raises(ValueError, match="The rules of 'test' need columns that the table lacks: y"):
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


def test_days_are_part_of_the_report_and_of_the_page(tmp_path):
    days = pd.DataFrame({"day": ["2001-01-30", "2001-01-31"], "volume": [0.0, -9.0]})
    by_day = Part(days, (warning(between("volume", -5, 5, "usual")),))
    report = validate(FRAME, (not_null("x"),), "test", DAY, tmp_path, by_day)
    (broken,) = report.failed("warning")
    assert report.describe(broken) == (
        "test: rule 'volume_usual' (volume is usual) is broken in 1 of 2 days, such as 2001-01-31 (-9)"
    )
    text = report.data_docs.read_text()
    assert "volume_usual" in text
    assert "x_not_null" in text


def test_reports_of_portions_are_one():
    suite = (not_null("x"), finite("x"))
    good = validate(FRAME.head(1), suite, "test", DAY, None)
    bad = validate(FRAME, suite, "test", DAY, None)
    report = together([good, bad, bad])
    assert (report.rows, report.results[0].failing, report.results[1].failing) == (7, 2, 2)
    assert not report.results[0].success


def test_no_page_asks_another_host_for_anything(tmp_path):
    page = validate(FRAME, (finite("x"),), "orders", DAY, tmp_path).data_docs
    for text in (page.read_text(), (tmp_path / "index.html").read_text()):
        assert not re.search(r"""(src|href)=["']?(https?:)?//[^>]*\.(css|js|png)|<script|<img[^>]*http""", text)
        assert "data_docs.css" in text
    style = re.search(r'href="([./]*data_docs.css)"', page.read_text())[1]
    assert (page.parent / style).resolve() == (tmp_path / "data_docs.css").resolve()
    assert (tmp_path / "data_docs.css").is_file()


def test_the_index_shows_each_verdict_and_the_monitoring_reports(tmp_path):
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring" / "2001-02-01.html").write_text("")
    validate(FRAME, (finite("x"),), "orders", DAY, tmp_path)
    validate(FRAME, (warning(finite("x")),), "users", DAY, tmp_path)
    validate(FRAME.head(1), (finite("x"),), "products", DAY, tmp_path)
    index = (tmp_path / "index.html").read_text()
    found = re.findall(r'">([a-z]+)</a></td><td class="[a-z]*">([a-z]*)</td><td>(.*?)</td>', index)
    assert found == [
        ("monitoring", "", ""),
        ("orders", "critical", "0 of 1 hold"),
        ("products", "good", "1 of 1 hold"),
        ("users", "warning", "0 of 1 hold"),
    ]


def test_only_the_newest_results_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "KEPT_RESULTS", 2)
    for n in range(4):
        validate(FRAME, (finite("x"),), "orders", DAY - timedelta(days=n), tmp_path)
    kept = {p.name for p in (tmp_path / "validations" / "orders").iterdir()}
    assert kept == {"2001-01-30", "2001-01-29"} == {p.name for p in (tmp_path / "results" / "orders").iterdir()}
    assert "2001-02-01" not in (tmp_path / "index.html").read_text()


def test_a_shorter_period_with_the_same_end_keeps_the_page_of_the_longer_one(tmp_path):
    frame, rules = pd.DataFrame({"amount": [1.0]}), (not_negative("amount"),)
    end = date(2024, 3, 1)
    pages = [
        validate(frame, rules, "order_lines", end, tmp_path, since=since).data_docs
        for since in (date(2023, 1, 1), date(2024, 2, 28))
    ]
    assert all(page.is_file() for page in pages)
    assert len(set(pages)) == 2
    index = (tmp_path / "index.html").read_text()
    assert "2024-03-01, from 2023-01-01" in index
    assert "2024-03-01, from 2024-02-28" in index


def test_a_page_says_warning_where_only_warnings_are_broken(tmp_path):
    frame = pd.DataFrame({"amount": [-1.0], "price": [-1.0]})
    warned = validate(frame, (warning(not_negative("amount")),), "a", date(2024, 3, 1), tmp_path).data_docs.read_text()
    assert "Failed\n" not in warned
    assert "Warning" in warned
    assert 'text-danger" >' not in warned.replace('<strong class="text-danger" >', "")
    both = (warning(not_negative("amount")), not_negative("price"))
    failed = validate(frame, both, "b", date(2024, 3, 1), tmp_path).data_docs.read_text()
    assert "Failed\n" in failed
    assert failed.count('<i class="fas fa-times text-danger" ></i>') == 1
