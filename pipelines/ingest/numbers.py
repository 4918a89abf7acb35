"""Read text as numbers in the expressions of numeric columns: every value of a CSV file is text."""

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

Decimal = Literal[".", ","]

ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Pow, exp.Abs, exp.Sum)
"""Operations on numbers only."""

PASSING = (exp.Paren, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Round, exp.Ceil, exp.Floor, exp.Case)
"""Expressions whose parts are numbers if they are; of a case, its results."""

COMPARING = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ, exp.Between, exp.In)
"""Comparisons; text is compared as a number with a number."""


class Numeric(NamedTuple):
    """An expression that reads text as numbers, and SQL that is true where a text is no number."""

    sql: str
    unreadable: str


def numeric(expression: str, texts: Collection[str], decimal: Decimal | None) -> Numeric:
    """Read the text columns of an expression as numbers wherever it computes with them.

    >>> numeric("units * price", ["units", "price", "kind"], None).sql
    'CAST(units AS DOUBLE) * CAST(price AS DOUBLE)'
    >>> numeric("CASE WHEN kind = 'return' THEN -units ELSE units END", ["units", "kind"], None).sql
    "CASE WHEN kind = 'return' THEN -CAST(units AS DOUBLE) ELSE CAST(units AS DOUBLE) END"

    Args:
        expression: SQL expression of a numeric canonical column.
        texts: names of the text columns, and of text within structures as in `item.price`.
        decimal: decimal mark of the text; None: what DuckDB reads as a number.
    """
    try:
        parsed = sqlglot.parse_one(expression, read="duckdb")
    except SqlglotError:
        return Numeric(expression, "false")  # DuckDB says what is wrong
    known = {name.lower() for name in texts}
    found: dict[int, tuple[int, str]] = {}
    unreadable = []
    for column, cast in _numbers(parsed, number=True):
        first, last = column.parts[0].meta, column.parts[-1].meta
        path = ".".join(part.name for part in column.parts).lower()
        if path not in known or "start" not in first or "end" not in last:
            continue
        start, end = first["start"], last["end"]
        name = expression[start : end + 1]
        text = plain(name, decimal)
        # the whole expression is cast to its canonical type anyway, without a detour that rounds large numbers
        found[start] = end, text if cast or column is parsed else f"CAST({text} AS DOUBLE)"
        unreadable.append(f"({name} IS NOT NULL AND TRY_CAST({text} AS DOUBLE) IS NULL)")
    sql = expression
    for start, (end, number) in sorted(found.items(), reverse=True):
        sql = f"{sql[:start]}{number}{sql[end + 1 :]}"
    return Numeric(sql, " OR ".join(unreadable) or "false")


def plain(text: str, decimal: Decimal | None) -> str:
    """SQL for a text with a number that DuckDB reads: a point as its decimal mark, no thousands separators.

    The other mark is accepted between groups of three digits; elsewhere the text is no number, and reading it fails.
    """
    if decimal is None:
        return text
    other = "." if decimal == "," else ","
    groups = rf"\s*[+-]?\d{{1,3}}([{other}]\d{{3}})+([{decimal}]\d*)?\s*"
    point = f"replace(replace({text}, '{other}', ''), '{decimal}', '.')"
    stray = f"contains({text}, '{other}') AND NOT regexp_full_match({text}, '{groups}')"
    return f"CASE WHEN {stray} THEN 'x' ELSE {point} END"


def _numbers(node: exp.Expr, *, number: bool) -> Iterable[tuple[exp.Column, bool]]:
    """Columns that must be numbers, and whether the expression itself casts them."""
    if isinstance(node, exp.Column):
        if number:
            yield node, False
        return
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Column) and node.to.this in exp.DataType.NUMERIC_TYPES:
        yield node.this, True
        return
    if isinstance(node, ARITHMETIC):
        number = True
    elif isinstance(node, COMPARING):
        number = any(_is_number(part) for part in node.iter_expressions())
    elif not isinstance(node, (*PASSING, exp.If)):
        number = False
    for part in node.iter_expressions():
        condition = part.arg_key == "this" and isinstance(node, exp.If | exp.Case)
        yield from _numbers(part, number=number and not condition)


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, ARITHMETIC) or (isinstance(node, exp.Literal) and not node.is_string)
