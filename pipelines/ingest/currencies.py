"""Convert order lines to the shop's currency with the exchange rate of their day."""

from datetime import date
from typing import TypeAlias

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from pipelines.errors import PurseError
from pipelines.ingest.numbers import plain
from pipelines.source.definition import Source

MONEY = ("unit_price", "amount", "discount", "unit_cost")
"""Columns of order lines that hold money and are converted."""

RATE = "_rate"
"""Column for the exchange rate: units of the shop's currency per unit of the line's; null where no rate is known."""

CODE = 3
"""Letters of a currency's code; more of a value is no code and perhaps personal, so a fault shows no more."""

Sql: TypeAlias = str


def with_rate(
    connection: DuckDBPyConnection, rows: DuckDBPyRelation, rates: DuckDBPyRelation, source: Source, day: Sql
) -> DuckDBPyRelation:
    """Add `RATE`, `_currency` and `_day` to order lines.

    A rate is valid from its `valid_from` until the next rate of its currency. Codes match regardless of case.

    Args:
        connection: DuckDB connection of both relations.
        rows: order lines as read from the source.
        rates: exchange rates as read from their file, with `_file` and `_line`.
        source: declares the shop's currency and the SQL expression for a line's currency.
        day: SQL expression for a line's day in the shop's time zone.

    Raises:
        PurseError: a rate is unreadable, or two rates share a currency and a day.
    """
    if source.currency is None:
        raise ValueError(f"Source file {source.path}: expected 'currency', found none.")
    own = pa.table({"currency": [source.currency.code.upper()], "valid_from": [date.min], "rate": [1.0]})
    known = _valid_rates(rates, source).filter(f"currency <> '{source.currency.code.upper()}'").to_arrow_table()
    connection.register("purse_rates", pa.concat_tables([known.cast(own.schema), own]))
    code = f"upper(trim(CAST(({source.tables['order_lines'].currency}) AS VARCHAR)))"
    return rows.project(f"*, {code} AS _currency, {day} AS _day").query(
        "purse_lines",
        "SELECT purse_lines.*, rates.rate AS _rate FROM purse_lines "
        "ASOF LEFT JOIN purse_rates rates ON _currency = rates.currency AND _day >= rates.valid_from",
    )


def fault() -> Sql:
    """SQL for the fault of a line without an exchange rate; null for every other line."""
    return (
        f"CASE WHEN {RATE} IS NULL AND _day IS NOT NULL THEN "
        f"coalesce('no rate of ' || left(_currency, {CODE}) || ' on ' || _day, 'its currency is missing') END"
    )


def _valid_rates(rates: DuckDBPyRelation, source: Source) -> DuckDBPyRelation:
    missing = [name for name in ("currency", "valid_from", "rate") if name not in rates.columns]
    if missing:
        present = ", ".join(name for name in rates.columns if not name.startswith("_"))
        raise PurseError(
            f"Source file {source.path}, currency.rates: expected the columns currency, valid_from and rate; "
            f"'{missing[0]}' is missing among {present}. Rename the column in the file and run 'purse ingest' again."
        )
    text = str(rates.types[rates.columns.index("rate")]) == "VARCHAR"
    number = plain("rate", source.currency.rates.decimal) if text and source.currency else "rate"
    given = "currency || ', ' || valid_from || ', ' || rate"
    typed = rates.project(
        f"upper(trim(CAST(currency AS VARCHAR))) AS currency, TRY(CAST(valid_from AS DATE)) AS valid_from, "
        f"TRY(CAST({number} AS DOUBLE)) AS rate, coalesce({given}, 'an empty value') AS given, _file, _line"
    )
    unreadable = "currency IS NULL OR valid_from IS NULL OR coalesce(NOT (isfinite(rate) AND rate > 0), true)"
    bad = typed.filter(unreadable).order("_file, _line").project("given, _file, _line").limit(1)
    for values, file, line in bad.fetchall():
        raise PurseError(
            f"{file} line {line}: expected currency, first valid day and a rate above 0, found {values!r}. Correct the "
            "line and run 'purse ingest' again."
        )
    ambiguous = typed.aggregate("currency, valid_from, count(DISTINCT rate) AS rates, min(_file) AS file").filter(
        "rates > 1"
    )
    for currency, day, count, file in ambiguous.order("currency, valid_from").limit(1).fetchall():
        raise PurseError(
            f"{file}: expected one rate of {currency} from {day}, found {count}. Keep one in the file and run "
            "'purse ingest' again."
        )
    return typed.aggregate("currency, valid_from, any_value(rate) AS rate")
