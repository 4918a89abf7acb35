"""Rules, each declared once and used twice: as an Ibis predicate and as an expectation of Great Expectations.

Great Expectations gives the verdict, the counts and the Data Docs. The predicate selects the rows to quarantine in a
fraction of the time that Great Expectations needs to return row ids. Both follow one convention: a null or NaN
satisfies every rule except `not_null`, so a missing value is reported once.
"""

import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

Severity = Literal["critical", "warning"]
Condition = tuple[str, Literal[">", "<"], float]
"""Column, comparison and limit that select the rows a rule applies to."""

Limit = float | datetime
"""Limit of a range."""

LARGEST = sys.float_info.max
"""Largest finite number."""

COMPARE = {">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Rule:
    """One rule of a table.

    Attributes:
        name: unique in its suite; stored with a quarantined row as the reason.
        description: one sentence for Data Docs and messages.
        columns: columns that the rule reads.
        expectation: name of a class in `great_expectations.expectations`.
        arguments: arguments of that class; a callable is called with the validated frame, `row_condition` is a
            `Condition`.
        holds: predicate, true for a row that satisfies the rule, never null; None for a rule about the whole table.
        severity: a row that breaks a critical rule is quarantined, and a frame that breaks one is not written; a
            broken warning is only reported.
    """

    name: str
    description: str
    columns: tuple[str, ...]
    expectation: str
    arguments: Mapping[str, Any]
    holds: Callable[[ir.Table], ir.BooleanValue] | None = None
    severity: Severity = "critical"


def warning(rule: Rule) -> Rule:
    """Return the same rule as a warning.

    >>> warning(finite("amount")).severity
    'warning'
    """
    return replace(rule, severity="warning")


def applicable(rules: tuple[Rule, ...], columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules whose columns are all in `columns`, for optional columns.

    >>> [rule.name for rule in applicable((finite("discount"), finite("unit_cost")), ("amount", "discount"))]
    ['discount_finite']
    """
    return tuple(rule for rule in rules if set(rule.columns) <= set(columns))


def not_null(column: str) -> Rule:
    """Rule: the value is not null and not NaN.

    >>> not_null("x").holds(ibis.memtable({"x": [1.0, float("nan")]})).execute().tolist()
    [True, False]
    """
    return Rule(
        name=f"{column}_not_null",
        description=f"{column} is there",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column},
        holds=lambda table: value_of(table, column).notnull(),
    )


def null(column: str) -> Rule:
    """Rule: the value is null, for a column that names a fault of the row.

    >>> null("fault").holds(ibis.memtable({"fault": ["unreadable", None]})).execute().tolist()
    [False, True]
    """
    return Rule(
        name=f"{column}_null",
        description=f"{column} is null",
        columns=(column,),
        expectation="ExpectColumnValuesToBeNull",
        arguments={"column": column},
        holds=lambda table: value_of(table, column).isnull(),
    )


def one_of(column: str, values: tuple[str, ...] | tuple[int, ...]) -> Rule:
    """Rule: the value is one of a closed list.

    >>> one_of("tier", ("high", "low")).holds(ibis.memtable({"tier": ["high", "top", None]})).execute().tolist()
    [True, False, True]
    """
    return Rule(
        name=f"{column}_one_of",
        description=f"{column} is one of {', '.join(map(str, values))}",
        columns=(column,),
        expectation="ExpectColumnValuesToBeInSet",
        arguments={"column": column, "value_set": list(values)},
        holds=lambda table: passes(table[column].isin(values)),
    )


def not_zero(column: str) -> Rule:
    """Rule: the number is not 0.

    >>> not_zero("quantity").holds(ibis.memtable({"quantity": [1.0, 0.0]})).execute().tolist()
    [True, False]
    """
    return Rule(
        name=f"{column}_not_zero",
        description=f"{column} is not 0",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeInSet",
        arguments={"column": column, "value_set": [0]},
        holds=lambda table: passes(value_of(table, column) != 0),
    )


def between(column: str, low: Limit | None, high: Limit | None, name: str, where: Condition | None = None) -> Rule:
    """Rule: the value lies between two limits, both included.

    >>> between("x", 0.0, 1.0, "share").holds(ibis.memtable({"x": [0.0, 1.0, 1.5]})).execute().tolist()
    [True, True, False]
    >>> rows = ibis.memtable({"x": [-1.0, -1.0], "y": [1.0, 0.0]})
    >>> between("x", 0.0, None, "positive", where=("y", ">", 0)).holds(rows).execute().tolist()
    [False, True]

    Args:
        column: column to check.
        low: lower limit; None: no limit.
        high: upper limit; None: no limit. One of the two is needed.
        name: suffix of the rule's name, and the words after "is" in its description.
        where: condition of the rows to check; None: all rows.
    """
    condition = {"row_condition": where} if where else {}

    def holds(table: ir.Table) -> ir.BooleanValue:
        value = value_of(table, column)
        sides = [value >= low] if low is not None else []
        sides += [value <= high] if high is not None else []
        inside = passes(reduce(operator.and_, sides))
        if where is None:
            return inside
        other, comparison, limit = where
        return inside | passes(~COMPARE[comparison](value_of(table, other), limit))

    return Rule(
        name=f"{column}_{name}",
        description=f"{column} is {name.replace('_', ' ')}",
        columns=(column, where[0]) if where else (column,),
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": column, "min_value": low, "max_value": high, **condition},
        holds=holds,
    )


def finite(column: str) -> Rule:
    """Rule: the number is not infinite.

    >>> finite("x").holds(ibis.memtable({"x": [1.0, float("inf")]})).execute().tolist()
    [True, False]
    """
    return between(column, -LARGEST, LARGEST, "finite")


def not_negative(column: str) -> Rule:
    """Rule: the number is at least 0.

    >>> not_negative("x").holds(ibis.memtable({"x": [0.0, -1.0]})).execute().tolist()
    [True, False]
    """
    return between(column, 0.0, None, "not_negative")


def value_of(table: ir.Table, column: str) -> ir.Column:
    """Column with NaN replaced by null, as pandas reads it.

    >>> value_of(ibis.memtable({"x": [1.0, float("nan")]}), "x").isnull().execute().tolist()
    [False, True]
    """
    values = table[column]
    return ibis.ifelse(values.isnan(), ibis.null(values.type()), values) if values.type().is_floating() else values


def passes(verdict: ir.BooleanValue) -> ir.BooleanValue:
    """Verdict with null, the result of a comparison with null in SQL, replaced by true.

    >>> rows = ibis.memtable({"x": [1.0, None]})
    >>> passes(value_of(rows, "x") > 2).execute().tolist()
    [False, True]
    """
    return verdict.fill_null(True)  # noqa: FBT003  # Ibis takes it by position only
