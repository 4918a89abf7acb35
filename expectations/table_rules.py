"""Rules that read the whole table: some select rows by the others, some are about the table itself."""

import operator
from datetime import datetime
from functools import reduce

import ibis
import ibis.expr.types as ir
import pandas as pd

from expectations.rules import LARGEST, Rule, passes, value_of


def unique(*columns: str) -> Rule:
    """Rule: no two rows share the key. All rows of a shared key break it; a key with a null is not compared.

    >>> rows = ibis.memtable({"x": [1, 1, 2]})
    >>> rows.select("x", holds=unique("x").holds(rows)).order_by("x").execute()["holds"].tolist()
    [False, False, True]
    """
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


def not_absurd(column: str, multiple: float, name: str = "not_absurd", usual: float | None = None) -> Rule:
    """Rule: the absolute value is at most `multiple` times the median of those that are not 0, or times `usual`.

    A larger value is a typing error rather than a large order. The outlier itself does not move the median, unlike
    the standard deviation.

    >>> not_absurd("x", 10).holds(ibis.memtable({"x": [1.0, 2.0, 3.0, -99.0]})).execute().tolist()
    [True, True, True, False]
    """

    def limit(frame: pd.DataFrame) -> float:
        sizes = frame[column].abs()
        median = sizes[sizes > 0].median()
        typical = usual or median
        return float(typical) * multiple if pd.notna(typical) else LARGEST

    def holds(table: ir.Table) -> ir.BooleanValue:
        size = value_of(table, column).abs()
        typical = usual or size.nullif(0).median().over(ibis.window())
        return passes(size <= typical * multiple)

    return Rule(
        name=f"{column}_{name}",
        description=f"{column} is at most {multiple:,.0f} times the median size",
        columns=(column,),
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": column, "min_value": lambda frame: -limit(frame), "max_value": limit},
        holds=holds,
    )


def varies(column: str) -> Rule:
    """Warning: the column has fewer than two distinct values.

    >>> varies("tier").description
    'tier holds more than one value'
    """
    return Rule(
        name=f"{column}_varies",
        description=f"{column} holds more than one value",
        columns=(column,),
        expectation="ExpectColumnUniqueValueCountToBeBetween",
        arguments={"column": column, "min_value": 2},
        severity="warning",
    )


def has_rows() -> Rule:
    """Warning: the table is empty.

    >>> has_rows().severity
    'warning'
    """
    return Rule(
        name="has_rows",
        description="the table has rows",
        columns=(),
        expectation="ExpectTableRowCountToBeBetween",
        arguments={"min_value": 1},
        severity="warning",
    )


def up_to_date(column: str, since: datetime) -> Rule:
    """Warning: the newest time is before `since`, or there is none.

    >>> up_to_date("ordered_at", datetime(2024, 3, 1)).description
    'the newest ordered_at is 2024-03-01 or later'
    """
    return Rule(
        name=f"{column}_up_to_date",
        description=f"the newest {column} is {since:%Y-%m-%d} or later",
        columns=(column,),
        expectation="ExpectColumnMaxToBeBetween",
        arguments={"column": column, "min_value": since},
        severity="warning",
    )


def reaches_down_to(column: str, highest: float) -> Rule:
    """Warning: even the smallest value is larger than `highest`.

    >>> reaches_down_to("days_since_last_order", 7).description
    'the smallest days_since_last_order is 7 or less'
    """
    return Rule(
        name=f"{column}_reaches_down",
        description=f"the smallest {column} is {highest:g} or less",
        columns=(column,),
        expectation="ExpectColumnMinToBeBetween",
        arguments={"column": column, "max_value": highest},
        severity="warning",
    )


def seldom_null(column: str, share: float) -> Rule:
    """Warning: more than a share of the values is missing.

    >>> seldom_null("brand", 0.05).description
    'brand is missing in at most 5.000% of the rows'
    """
    return Rule(
        name=f"{column}_seldom_null",
        description=f"{column} is missing in at most {share:.3%} of the rows",
        columns=(column,),
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column, "mostly": 1 - share},
        severity="warning",
    )
