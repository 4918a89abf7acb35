"""Say how unreadable times and numbers are written, and which expression reads them."""

import json
from collections.abc import Iterator, Mapping, Sequence

from duckdb import DuckDBPyRelation

from expectations.staged import RECORD
from features.schema import TABLES, Column
from pipelines.source.definition import SourceTable
from pipelines.source.forms.names import columns_of, quoted
from pipelines.source.forms.numbers import Form, number_form
from pipelines.source.forms.times import ISO, Reading, readings

LOOKED_AT = 5_000
"""Unreadable rows that are looked at per column, spread over all of them."""


def hints(rows: DuckDBPyRelation, name: str, mapped: SourceTable) -> list[str]:
    """Explain the unreadable times and numbers of a staged table, one sentence per column of the source.

    A value is quoted only if it has the form of a time or a number.

    Args:
        rows: staged rows with `fault`.
        name: the canonical table.
        mapped: its columns' expressions.
    """
    found: dict[str, str] = {}
    for column in TABLES[name].columns:
        if column.name not in mapped.columns or column.type == "VARCHAR":
            continue
        bad = rows.filter(f"contains(fault, '{column.name} is not a {column.type}')")
        records = _records(bad)
        if not records:
            continue
        share = f"{_count(bad):,} of {_count(rows):,} rows"
        expression = mapped.columns[column.name].strip()
        for source in [expression] if expression in records[0] else columns_of(expression):
            values = [str(record[source]) for record in records if record.get(source) not in (None, "")]
            hint = _about(column, source, values, mapped, fractions=_fractions(rows, column))
            if hint and source not in found:
                found[source] = f"{name}.{column.name} is unreadable in {share}: {hint}"
    return list(found.values())


def _about(column: Column, source: str, values: Sequence[str], mapped: SourceTable, *, fractions: bool) -> str | None:
    if not values:
        return None
    if column.type == "TIMESTAMP":
        return time_hint(source, readings(values), len(values))
    form = number_form([value for value in values if not _is_float(value)])
    if form and form.ambiguous and fractions:  # other rows have a point as their decimal mark
        form = form._replace(decimal=None, thousands=(",",), ambiguous=False)
    return number_hint(source, form, declared=mapped.origin.decimal is not None) if form else None


def time_hint(source: str, found: Sequence[Reading], looked_at: int) -> str | None:
    """Propose the expression that reads the times of a column; None without one, or if it needs none."""
    if not found or found[0].form == ISO:
        return None
    name, first = quoted(source), found[0]
    part = "" if first.fits == looked_at else f" (fits {first.fits:,} of the {looked_at:,} values looked at)"
    if len(found) == 1:
        return f"'{source}' looks like {first.form}{part}: write {first.sql.replace('{}', name)}."
    either = ", or ".join(
        f"{one.sql.replace('{}', name)} (from {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d})" for one in found
    )
    return f"'{source}' fits {' and '.join(one.form for one in found)}{part}: only you know which. Write {either}."


def number_hint(source: str, form: Form, *, declared: bool) -> str | None:
    """Propose what reads the numbers of a column; None if DuckDB reads them."""
    name, shown = quoted(source), f"'{source}' has numbers such as '{form.example}'"
    if form.ambiguous and form.decimal == ",":
        english, german = form._replace(decimal=None, thousands=(",",)), form._replace(thousands=())
        return (
            f"{shown}: the comma is either a thousands separator or the decimal mark. Write {english.sql(name)} for "
            f"the first, {german.sql(name)} for the second."
        )
    if form.plain:
        return None
    if len(currencies := [symbol for symbol in form.symbols if symbol.strip()]) > 1:
        return (
            f"{shown} and several currencies ({', '.join(sorted(currencies))}): declare 'currency', as the guide to "
            "your own data shows, and read the number by regexp_extract."
        )
    marks = {*form.thousands, form.decimal} <= {".", ",", None}
    if marks and not (form.symbols or form.brackets or declared):
        decimal = form.decimal or ("." if form.thousands == (",",) else ",")
        return f"{shown}: write decimal: \"{decimal}\" under 'from', and {name} as it is."
    signs = "; a row with another currency stays unreadable" if form.symbols else ""
    return f"{shown}: write {form.sql(name)} in its place{signs}."


def _records(bad: DuckDBPyRelation) -> list[Mapping[str, object]]:
    """Source records of unreadable rows."""
    sample = bad.order("hash(fault)").limit(LOOKED_AT).project("fault").fetchall()
    return list(_parsed(fault for (fault,) in sample))


def _parsed(faults: Iterator[str]) -> Iterator[Mapping[str, object]]:
    for fault in faults:
        _, found, record = fault.partition(RECORD)
        if found:
            yield json.loads("{" + record)


def _fractions(rows: DuckDBPyRelation, column: Column) -> bool:
    """Whether readable values of a numeric column have decimals: a point is then the decimal mark."""
    if column.type != "DOUBLE":
        return False
    ((found,),) = rows.aggregate(f"bool_or({column.name} <> floor({column.name}))").fetchall()
    return bool(found)


def _count(rows: DuckDBPyRelation) -> int:
    ((count,),) = rows.aggregate("count(*)").fetchall()
    return int(count)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
