"""Each rule against answers given by hand, and both of its readings against each other."""

from datetime import date, datetime

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations import rules, table_rules, text_rules
from expectations.report import RuleResult
from expectations.rules import Rule
from expectations.runner import validate

INF, NAN = float("inf"), float("nan")
NOON, EARLY, LATE = (datetime.fromisoformat(t) for t in ("2001-02-03 12:00", "1990-01-01", "2100-01-01"))
CASES = [
    (rules.not_null("x"), {"x": [1.0, None, NAN, INF, 0.0]}, [1, 0, 0, 1, 1]),
    (rules.null("x"), {"x": ["bad", None, ""]}, [0, 1, 0]),
    (text_rules.not_blank("x"), {"x": ["a", "", " \t", None, " b"]}, [1, 0, 0, 1, 1]),
    (rules.one_of("x", ("high", "low")), {"x": ["high", "mid", None]}, [1, 0, 1]),
    (rules.one_of("x", (0,)), {"x": [0, 1, 2]}, [1, 0, 0]),
    (rules.not_zero("x"), {"x": [0.0, -0.0, 1.0, None, NAN]}, [0, 0, 1, 1, 1]),
    (rules.finite("x"), {"x": [INF, -INF, NAN, None, 1e308]}, [0, 0, 1, 1, 1]),
    (rules.not_negative("x"), {"x": [0.0, -0.01, INF, NAN, 3.0]}, [1, 0, 1, 1, 1]),
    (rules.between("x", 0.0, 1.0, "share"), {"x": [0.0, 1.0, 1.01, -1.0, None]}, [1, 1, 0, 0, 1]),
    (
        rules.between("t", EARLY, LATE, "plausible"),
        {"t": [NOON, datetime.fromisoformat("1989-12-31"), datetime.fromisoformat("9999-01-01"), None, LATE]},
        [1, 0, 0, 1, 1],
    ),
    (
        rules.between("x", 0.0, 9.0, "not_negative_when_bought", where=("n", ">", 0)),
        {"x": [5.0, -5.0, -5.0, -5.0, -5.0, 0.0], "n": [1.0, 1.0, -1.0, None, NAN, 1.0]},
        [1, 0, 1, 1, 1, 1],
    ),
    (table_rules.unique("x"), {"x": ["a", "b", "a", None, None]}, [0, 1, 0, 1, 1]),
    (table_rules.unique("x", "n"), {"x": ["a", "a", "a", None, None], "n": [1, 1, 2, 1, 1]}, [0, 0, 1, 1, 1]),
    (
        table_rules.not_absurd("x", 100),
        {"x": [1.0, -1.0, 1.0, -1.0, 0.0, 101.0, -101.0, 100.0, None]},
        [1, 1, 1, 1, 1, 0, 0, 1, 1],
    ),
    (table_rules.not_absurd("x", 100), {"x": [0.0, 0.0, None]}, [1, 1, 1]),
]


def verdict(rule: Rule, table: pa.Table) -> RuleResult:
    return validate(table.to_pandas(), (rule,), "test", date(2001, 1, 1), None).results[0]


def satisfied(rule: Rule, table: pa.Table) -> list[bool]:
    rows = ibis.memtable(table.append_column("position", pa.array(range(table.num_rows))))
    return rows.mutate(holds=rule.holds(rows)).order_by("position").to_pyarrow()["holds"].to_pylist()


@pytest.mark.parametrize(("rule", "columns", "expected"), CASES, ids=lambda value: getattr(value, "name", None))
def test_both_readings_of_a_rule_give_the_answer(rule, columns, expected):
    table = pa.table({name: pa.array(values, from_pandas=False) for name, values in columns.items()})
    result = verdict(rule, table)
    assert satisfied(rule, table) == [bool(one) for one in expected]
    assert result.failing == expected.count(0)
    assert result.success == (0 not in expected)


NUMBERS = st.one_of(st.none(), st.floats(width=64), st.sampled_from([0.0, -0.0, 1.0, -1.0, INF, -INF, NAN]))
NUMERIC = (
    rules.not_null("x"),
    rules.not_zero("x"),
    rules.finite("x"),
    rules.not_negative("x"),
    rules.between("x", 0.0, 1.0, "share", where=("n", "<", 0)),
)


@settings(max_examples=8, deadline=None)
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=16))
def test_both_readings_agree_on_any_numbers(rows):
    x, n = zip(*rows, strict=True)
    table = pa.table({"x": pa.array(x, pa.float64()), "n": pa.array(n, pa.float64())})
    report = validate(table.to_pandas(), NUMERIC, "test", date(2001, 1, 1), None)
    assert [result.failing for result in report.results] == [satisfied(rule, table).count(False) for rule in NUMERIC]


@pytest.mark.parametrize(("values", "success"), [(["a", "b"], True), (["a", "a"], False), ([None, None], False)])
def test_varies_tells_constant_and_empty_columns(values, success):
    assert verdict(table_rules.varies("x"), pa.table({"x": pa.array(values, pa.string())})).success is success


def test_an_empty_table_breaks_only_the_warning():
    frame = pd.DataFrame({"x": pd.Series(dtype="float64")})
    suite = (table_rules.has_rows(), rules.not_null("x"), rules.finite("x"), table_rules.unique("x"))
    report = validate(frame, suite, "test", date(2001, 1, 1), None)
    assert [result.rule for result in report.failed("warning")] == ["has_rows"]
    assert report.failed("critical") == ()


def test_a_warning_is_the_same_rule():
    assert rules.warning(rules.finite("x")).severity == "warning"
    assert rules.warning(rules.finite("x")).name == "x_finite"


def test_applicable_leaves_out_what_reads_absent_columns():
    pair = (rules.finite("x"), rules.between("x", 0.0, 1.0, "share", where=("n", ">", 0)))
    assert rules.applicable(pair, ("x",)) == pair[:1]
