"""Rules: each is declared once and read twice, as an Ibis predicate and as a Great Expectations expectation.

Great Expectations gives the verdict, the counts and the Data Docs; the predicate finds the rows for quarantine, at a
fraction of the time that Great Expectations takes to return row ids. Both follow one convention: a value that is null
or NaN satisfies every rule but `not_null`, so that a missing value is reported once.
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
"""Column, comparison and limit that choose the rows a rule speaks of."""

Limit = float | datetime
LARGEST = sys.float_info.max
COMPARE = {">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Rule:
    """What must hold of a table.

    Attributes:
        name: unique in its suite; the reason that a quarantined row carries.
        description: one sentence, shown in Data Docs and messages.
        columns: the columns that the rule reads.
        expectation: name of a class of `great_expectations.expectations`.
        arguments: its arguments; a callable is given the frame that is validated, `row_condition` is a Condition.
        holds: true for a row that satisfies the rule, never null; None for a statement about the whole table.
        severity: a row that breaks a critical rule is quarantined, a frame that does is not written;
            a broken warning is reported.
    """

    name: str
    description: str
    columns: tuple[str, ...]
    expectation: str
    arguments: Mapping[str, Any]
    holds: Callable[[ir.Table], ir.BooleanValue] | None = None
    severity: Severity = "critical"


def warning(rule: Rule) -> Rule:
    """The same rule, reported only."""
    return replace(rule, severity="warning")


def applicable(rules: tuple[Rule, ...], columns: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules whose columns are all there: for optional columns."""
    return tuple(rule for rule in rules if set(rule.columns) <= set(columns))


def not_null(column: str) -> Rule:
    """The value is there; NaN is not."""
    return Rule(
        name=f"{column}_not_null",
        description=f"{column} is there",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column},
        holds=lambda table: value_of(table, column).notnull(),
    )


def null(column: str) -> Rule:
    """For a column that says what is wrong with the row."""
    return Rule(
        name=f"{column}_null",
        description=f"{column} is null",
        columns=(column,),
        expectation="ExpectColumnValuesToBeNull",
        arguments={"column": column},
        holds=lambda table: value_of(table, column).isnull(),
    )


def one_of(column: str, values: tuple[str, ...] | tuple[int, ...]) -> Rule:
    """The value is in a closed list."""
    return Rule(
        name=f"{column}_one_of",
        description=f"{column} is one of {', '.join(map(str, values))}",
        columns=(column,),
        expectation="ExpectColumnValuesToBeInSet",
        arguments={"column": column, "value_set": list(values)},
        holds=lambda table: passes(table[column].isin(values)),
    )


def not_zero(column: str) -> Rule:
    """A number other than 0."""
    return Rule(
        name=f"{column}_not_zero",
        description=f"{column} is not 0",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeInSet",
        arguments={"column": column, "value_set": [0]},
        holds=lambda table: passes(value_of(table, column) != 0),
    )


def between(column: str, low: Limit | None, high: Limit | None, name: str, where: Condition | None = None) -> Rule:
    """Both limits included, None for no limit; with `where` for the rows that meet the condition."""
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
    """Neither infinity."""
    return between(column, -LARGEST, LARGEST, "finite")


def not_negative(column: str) -> Rule:
    """At least 0."""
    return between(column, 0.0, None, "not_negative")


def value_of(table: ir.Table, column: str) -> ir.Column:
    """The column with NaN as null, as pandas reads it."""
    values = table[column]
    return ibis.ifelse(values.isnan(), ibis.null(values.type()), values) if values.type().is_floating() else values


def passes(verdict: ir.BooleanValue) -> ir.BooleanValue:
    """The verdict with null, which is what SQL makes of a comparison with null, as true."""
    return verdict.fill_null(True)  # noqa: FBT003  # Ibis takes it by position only
