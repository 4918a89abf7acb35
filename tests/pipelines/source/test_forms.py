"""Forms of times and numbers: recognised, and read by the expression that is proposed."""

from datetime import datetime

import duckdb
import pytest

from pipelines.source.forms.names import columns_of, quoted
from pipelines.source.forms.numbers import number_form
from pipelines.source.forms.times import ISO, readings


def value_of(sql, text):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        typed = f"SELECT CAST({sql} AS TIMESTAMP) FROM (SELECT ? AS given)"  # noqa: S608
        ((value,),) = connection.execute(typed, [text]).fetchall()
        return value


@pytest.mark.parametrize(
    ("texts", "form", "last"),
    [
        (["13/02/2025", "01/03/2025"], "%d/%m/%Y", "2025-03-01"),
        (["02/13/2025", "03/01/2025"], "%m/%d/%Y", "2025-03-01"),
        (["13.2.25 9:05", "1.3.25 18:00"], "%d.%m.%y %H:%M", "2025-03-01 18:00"),
        (["31.12.2025, 18:05:07"], "%d.%m.%Y, %H:%M:%S", "2025-12-31 18:05:07"),
        (["12/31/2025 6:05:07 PM"], "%m/%d/%Y %I:%M:%S %p", "2025-12-31 18:05:07"),
        (["Dec 31, 2025 6:05 PM"], "%b %d, %Y %I:%M %p", "2025-12-31 18:05"),
        (["31-May-2025"], "%d-%b-%Y", "2025-05-31"),
        (["2025年12月31日 18:05"], "%Y年%m月%d日 %H:%M", "2025-12-31 18:05"),
        (["2025.12.31"], "%Y.%m.%d", "2025-12-31"),
        (["20251231"], "%Y%m%d", "2025-12-31"),
        (["1767204300"], "seconds since 1970", "2025-12-31 18:05"),
        (["1767204300000"], "milliseconds since 1970", "2025-12-31 18:05"),
        (["1767204300000000"], "microseconds since 1970", "2025-12-31 18:05"),
        (["46022.753472222"], "days since 1899-12-30 (Excel)", "2025-12-31 18:05"),
        (["2025-12-31 18:05:00 -0400"], ISO, "2025-12-31 22:05"),
        (["2025-12-31T18:05:00Z", "2025-12-30"], ISO, "2025-12-31 18:05"),
        (["31/12/2025 18:05 +0200"], "%d/%m/%Y %H:%M %z", "2025-12-31 16:05"),
    ],
)
def test_a_form_of_times_is_found_and_read(texts, form, last):
    (found,) = readings(texts)
    assert (found.form, found.fits) == (form, len(texts))
    assert found.last == datetime.fromisoformat(last)
    assert max(value_of(found.sql.replace("{}", "given"), text) for text in texts) == found.last


def test_both_orders_of_day_and_month_fit():
    found = readings(["02/01/2025", "11/12/2025"])
    assert [reading.form for reading in found] == ["%d/%m/%Y", "%m/%d/%Y"]
    assert [reading.first.date().isoformat() for reading in found] == ["2025-01-02", "2025-02-01"]


def test_what_is_no_time_has_no_form():
    assert readings(["anna", "Bern"]) == readings([]) == readings(["12", "7"]) == []


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["$1,234.50", "$7"], [1234.5, 7]),
        (["1.234,50 €", "7,25 €"], [1234.5, 7.25]),
        (["CHF 1'234.50", "CHF 7.25"], [1234.5, 7.25]),
        (["1 234,50", "7,25"], [1234.5, 7.25]),
        (["1\u202f234,50\u00a0€"], [1234.5]),
        (["R$ 12,90", "R$ 1.100,00"], [12.9, 1100]),
        (["(12.50)", "3.00"], [-12.5, 3]),
        (["1,234,567", "12"], [1234567, 12]),
        (["¥1,200.0"], [1200]),
    ],
)
def test_a_form_of_numbers_is_found_and_read(texts, values):
    sql = number_form(texts).sql("given")
    read = [duckdb.execute(f"SELECT {sql} FROM (SELECT ? AS given)", [text]).fetchall() for text in texts]  # noqa: S608
    assert [value for ((value,),) in read] == values


@pytest.mark.parametrize(("texts", "ambiguous"), [(["1,234"], True), (["1,234", "5.5"], False), (["1.234"], True)])
def test_a_single_mark_before_three_digits_is_ambiguous(texts, ambiguous):
    assert number_form(texts).ambiguous is ambiguous


@pytest.mark.parametrize("texts", [["ann@shop.example"], ["DE12", "DE13"], ["12-13"], ["(5"]])
def test_what_is_no_number_has_no_form(texts):
    assert number_form(texts) is None


def test_names_in_sql():
    assert [quoted(name) for name in ("price", "Order No", "end", 'a"b', "größe")] == [
        "price",
        '"Order No"',
        '"end"',
        '"a""b"',
        '"größe"',
    ]
    assert columns_of('coalesce("Order No", sku) || sku') == ["Order No", "sku"]
    assert columns_of("this is no (SQL") == []
