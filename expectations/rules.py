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
import pandas as pd

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
        holds=lambda table: _value(table, column).notnull(),
    )


def null(column: str) -> Rule:
    """For a column that says what is wrong with the row."""
    return Rule(
        name=f"{column}_null",
        description=f"{column} is null",
        columns=(column,),
        expectation="ExpectColumnValuesToBeNull",
        arguments={"column": column},
        holds=lambda table: _value(table, column).isnull(),
    )


def not_blank(column: str) -> Rule:
    """For text: something other than white space."""
    return Rule(
        name=f"{column}_not_blank",
        description=f"{column} is more than white space",
        columns=(column,),
        expectation="ExpectColumnValuesToMatchRegex",
        arguments={"column": column, "regex": r"\S"},
        holds=lambda table: _passes(table[column].re_search(r"\S")),
    )


def one_of(column: str, values: tuple[str, ...] | tuple[int, ...]) -> Rule:
    """The value is in a closed list."""
    return Rule(
        name=f"{column}_one_of",
        description=f"{column} is one of {', '.join(map(str, values))}",
        columns=(column,),
        expectation="ExpectColumnValuesToBeInSet",
        arguments={"column": column, "value_set": list(values)},
        holds=lambda table: _passes(table[column].isin(values)),
    )


def not_zero(column: str) -> Rule:
    """A number other than 0."""
    return Rule(
        name=f"{column}_not_zero",
        description=f"{column} is not 0",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeInSet",
        arguments={"column": column, "value_set": [0]},
        holds=lambda table: _passes(_value(table, column) != 0),
    )


def between(column: str, low: Limit | None, high: Limit | None, name: str, where: Condition | None = None) -> Rule:
    """Both limits included, None for no limit; with `where` for the rows that meet the condition."""
    condition = {"row_condition": where} if where else {}

    def holds(table: ir.Table) -> ir.BooleanValue:
        value = _value(table, column)
        sides = [value >= low] if low is not None else []
        sides += [value <= high] if high is not None else []
        inside = _passes(reduce(operator.and_, sides))
        if where is None:
            return inside
        other, comparison, limit = where
        return inside | _passes(~COMPARE[comparison](_value(table, other), limit))

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


def unique(*columns: str) -> Rule:
    """No two rows share the key; all rows of a shared key break the rule. A key with a null is not compared."""
    single = len(columns) == 1
    compound = {"column_list": list(columns), "ignore_row_if": "any_value_is_missing"}

    def holds(table: ir.Table) -> ir.BooleanValue:
        incomplete = reduce(operator.or_, [table[column].isnull() for column in columns])
        return incomplete | (table.count().over(ibis.window(group_by=columns)) == 1)

    return Rule(
        name=f"{'_'.join(columns)}_unique",
        description=f"{' and '.join(columns)} identify one row",
        columns=columns,
        expectation="ExpectColumnValuesToBeUnique" if single else "ExpectCompoundColumnsToBeUnique",
        arguments={"column": columns[0]} if single else compound,
        holds=holds,
    )


def not_absurd(column: str, multiple: float) -> Rule:
    """At most `multiple` times the median size of the values that are not 0: a typing error rather than a large order.

    The median, unlike the standard deviation, stays put however large the outlier is.
    """

    def limit(frame: pd.DataFrame) -> float:
        sizes = frame[column].abs()
        median = sizes[sizes > 0].median()
        return float(median) * multiple if pd.notna(median) else LARGEST

    def holds(table: ir.Table) -> ir.BooleanValue:
        size = _value(table, column).abs()
        median = size.nullif(0).median().over(ibis.window())
        return _passes(size <= median * multiple)

    return Rule(
        name=f"{column}_not_absurd",
        description=f"{column} is at most {multiple:,.0f} times the median size",
        columns=(column,),
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": column, "min_value": lambda frame: -limit(frame), "max_value": limit},
        holds=holds,
    )


def varies(column: str) -> Rule:
    """A warning when the column holds one value only, or none."""
    return Rule(
        name=f"{column}_varies",
        description=f"{column} holds more than one value",
        columns=(column,),
        expectation="ExpectColumnUniqueValueCountToBeBetween",
        arguments={"column": column, "min_value": 2},
        severity="warning",
    )


def has_rows() -> Rule:
    """A warning when the table is empty."""
    return Rule(
        name="has_rows",
        description="the table has rows",
        columns=(),
        expectation="ExpectTableRowCountToBeBetween",
        arguments={"min_value": 1},
        severity="warning",
    )


def _value(table: ir.Table, column: str) -> ir.Column:
    """The column with NaN as null, as pandas reads it."""
    values = table[column]
    return ibis.ifelse(values.isnan(), ibis.null(values.type()), values) if values.type().is_floating() else values


def _passes(verdict: ir.BooleanValue) -> ir.BooleanValue:
    """The verdict with null, which is what SQL makes of a comparison with null, as true."""
    return verdict.fill_null(True)  # noqa: FBT003  # Ibis takes it by position only
