"""Rules whose rows cannot be judged one by one: they look at the whole table, or speak of it."""

import operator
from datetime import datetime
from functools import reduce

import ibis
import ibis.expr.types as ir
import pandas as pd

from expectations.rules import LARGEST, Rule, passes, value_of


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
        size = value_of(table, column).abs()
        median = size.nullif(0).median().over(ibis.window())
        return passes(size <= median * multiple)

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


def up_to_date(column: str, since: datetime) -> Rule:
    """A warning when the newest time is older than it should be, or there is none."""
    return Rule(
        name=f"{column}_up_to_date",
        description=f"the newest {column} is {since:%Y-%m-%d} or later",
        columns=(column,),
        expectation="ExpectColumnMaxToBeBetween",
        arguments={"column": column, "min_value": since},
        severity="warning",
    )


def reaches_down_to(column: str, highest: float) -> Rule:
    """A warning when even the smallest value is larger."""
    return Rule(
        name=f"{column}_reaches_down",
        description=f"the smallest {column} is {highest:g} or less",
        columns=(column,),
        expectation="ExpectColumnMinToBeBetween",
        arguments={"column": column, "max_value": highest},
        severity="warning",
    )


def seldom_null(column: str, share: float) -> Rule:
    """A warning when more than a share of the values is missing."""
    return Rule(
        name=f"{column}_seldom_null",
        description=f"{column} is missing in at most {share:.3%} of the rows",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column, "mostly": 1 - share},
        severity="warning",
    )
