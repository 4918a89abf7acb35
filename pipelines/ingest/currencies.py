"""Money in the shop's currency: every line with the rate of its day."""

from datetime import date
from typing import TypeAlias

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from pipelines.errors import PurseError
from pipelines.source.definition import Source

MONEY = ("unit_price", "amount", "discount", "unit_cost")
"""Columns of order lines that are converted."""

RATE = "_rate"
"""Column of what one unit of a line's currency is worth in the shop's; null where no rate is known."""

Sql: TypeAlias = str


def with_rate(
    connection: DuckDBPyConnection, rows: DuckDBPyRelation, rates: DuckDBPyRelation, source: Source, day: Sql
) -> DuckDBPyRelation:
    """The rows with `RATE`, `_currency` and `_day`.

    A rate holds from its `valid_from` until the next one of its currency. Codes are compared without regard to case.

    Args:
        connection: of both relations.
        rows: of order lines, as the source gives them.
        rates: of the source, as its file gives them, with `_file` and `_line`.
        source: names the shop's currency and the expression of a line's currency.
        day: the shop's day of a line.

    Raises:
        PurseError: a rate that cannot be read, or two for one currency and day.
    """
    if source.currency is None:
        raise ValueError(f"Source file {source.path} declares no currency.")
    own = pa.table({"currency": [source.currency.code.upper()], "valid_from": [date.min], "rate": [1.0]})
    known = _checked(rates, source).filter(f"currency <> '{source.currency.code.upper()}'").to_arrow_table()
    connection.register("purse_rates", pa.concat_tables([known.cast(own.schema), own]))
    code = f"upper(trim(CAST(({source.tables['order_lines'].currency}) AS VARCHAR)))"
    return rows.project(f"*, {code} AS _currency, {day} AS _day").query(
        "purse_lines",
        "SELECT purse_lines.*, rates.rate AS _rate FROM purse_lines "
        "ASOF LEFT JOIN purse_rates rates ON _currency = rates.currency AND _day >= rates.valid_from",
    )


def fault() -> Sql:
    """What is wrong with a line whose money cannot be converted."""
    return (
        f"CASE WHEN {RATE} IS NULL AND _day IS NOT NULL THEN "
        "coalesce('no rate of ' || _currency || ' on ' || _day, 'its currency is missing') END"
    )


def _checked(rates: DuckDBPyRelation, source: Source) -> DuckDBPyRelation:
    missing = [name for name in ("currency", "valid_from", "rate") if name not in rates.columns]
    if missing:
        found = ", ".join(name for name in rates.columns if not name.startswith("_"))
        raise PurseError(
            f"Source file {source.path}, currency.rates: expected the columns currency, valid_from and rate; "
            f"'{missing[0]}' is missing among {found}. Rename it in the file."
        )
    told = "currency || ', ' || valid_from || ', ' || rate"
    typed = rates.project(
        f"upper(trim(CAST(currency AS VARCHAR))) AS currency, TRY(CAST(valid_from AS DATE)) AS valid_from, "
        f"TRY(CAST(rate AS DOUBLE)) AS rate, coalesce({told}, 'an empty value') AS given, _file, _line"
    )
    unreadable = "currency IS NULL OR valid_from IS NULL OR coalesce(NOT (isfinite(rate) AND rate > 0), true)"
    bad = typed.filter(unreadable).order("_file, _line").project("given, _file, _line").limit(1)
    for given, file, line in bad.fetchall():
        raise PurseError(
            f"{file} line {line}: expected a currency, the day from which its rate holds and a rate above 0, found "
            f"{given!r}. Correct the file of 'currency.rates'."
        )
    twice = typed.aggregate("currency, valid_from, count(DISTINCT rate) AS rates, min(_file) AS file").filter(
        "rates > 1"
    )
    for currency, day, count, file in twice.order("currency, valid_from").limit(1).fetchall():
        raise PurseError(f"{file}: {count} rates of {currency} hold from {day}. Leave one of them in the file.")
    return typed.aggregate("currency, valid_from, any_value(rate) AS rate")
