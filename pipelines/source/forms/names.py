"""Names of columns in SQL."""

import functools
import re

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


def quoted(name: str) -> str:
    """Write a column's name in SQL: in double quotes unless every SQL reads it as a name.

    >>> quoted("price"), quoted("Order No"), quoted("order")
    ('price', '"Order No"', '"order"')
    """
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in _reserved()
    return name if plain else '"' + name.replace('"', '""') + '"'


@functools.cache
def _reserved() -> frozenset[str]:
    """Words that DuckDB does not take for a name everywhere."""
    listed = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
    with duckdb.connect() as connection:
        return frozenset(word for (word,) in connection.execute(listed).fetchall())


def columns_of(expression: str) -> list[str]:
    """Names of the columns that an SQL expression reads, each once.

    >>> columns_of("CASE Type WHEN 'RETURN' THEN -Qty ELSE Qty END")
    ['Type', 'Qty']
    """
    try:
        parsed = sqlglot.parse_one(expression, read="duckdb")
    except SqlglotError:
        return []
    return list(dict.fromkeys(column.name for column in parsed.find_all(exp.Column, bfs=False)))
