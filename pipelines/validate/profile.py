"""Profile a raw table and propose rules from it, for a person to edit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import yaml
from ibis.backends.duckdb import Backend

from features.schema import TABLES, Column, Table
from pipelines.lake import commit_log, tables
from pipelines.settings import Settings

FEW_VALUES = 20
"""Maximum distinct values of a text column that is proposed as a closed list."""

SHOWN = 5
"""Values listed with their shares, most frequent first."""

MARGIN = 0.5
"""Margin of a proposed range on each side, as a share of the observed width."""

HEAD = """# Proposed from raw/{table} of source {source}: {seen}.
# Edit it: 'purse validate' checks every rule here in addition to the built-in ones. A row that breaks a rule of
# severity critical goes to quarantine; a warning is reported. A rule is about one column and gives min and max, or
# values, or max_null_share, or unique."""

TYPICAL = (0.001, 0.5, 0.999)
"""Quantiles computed for each number column."""


@dataclass(frozen=True)
class Profile:
    """Summary of a column's values.

    Attributes:
        column: the canonical column.
        rows: rows of the table.
        missing: rows without a value.
        distinct: number of different values.
        values: share of each value, most frequent first; empty for numbers, ids and text with many values.
        lowest, highest: range of a number column.
        quantiles: quantiles of a number column at `TYPICAL`.
    """

    column: Column
    rows: int
    missing: int
    distinct: int
    values: dict[str, float]
    lowest: float | None = None
    highest: float | None = None
    quantiles: tuple[float, ...] = ()


def profile(settings: Settings, connection: Backend, name: str) -> tuple[Profile, ...]:
    """Profile every column of a raw table.

    Raises:
        PurseError: the table has not been written yet.
    """
    rows = tables.read_opened(connection, tables.open_table(settings, f"raw/{name}"))
    return tuple(_column(connection, rows, column) for column in TABLES[name].columns if column.name in rows.columns)


def propose(settings: Settings, connection: Backend, name: str) -> str:
    """Text of a rule file (see `source.rules`) with the profile as comments; built-in rules are left out."""
    profiles, table = profile(settings, connection, name), TABLES[name]
    days = [day.isoformat() for day in sorted(commit_log.files(tables.open_table(settings, f"raw/{name}")))]
    rows = profiles[0].rows
    seen = f"{rows:,} rows" + (f", days {days[0]} to {days[-1]}" if rows else ": nothing can be proposed")
    lines = [HEAD.format(table=name, source=Path(settings.source).stem, seen=seen), "rules:"]
    proposed = [line for column in profiles for line in _rules(column, table)] if rows else []
    return "\n".join([*lines, *(proposed or ["  []"])]) + "\n"


def _column(connection: Backend, rows: ir.Table, column: Column) -> Profile:
    values = rows[column.name]
    numeric = values.type().is_numeric()
    measures = {"rows": rows.count(), "missing": values.isnull().sum(), "distinct": values.nunique()}
    if numeric:
        finite = values.cast("float64")
        measures |= {"low": finite.min(), "high": finite.max()}
        measures |= {f"q{n}": finite.approx_quantile(share) for n, share in enumerate(TYPICAL)}
    result: dict[str, Any] = connection.to_pyarrow(rows.aggregate(**measures)).to_pylist()[0]
    shares = {}
    named = column.name.endswith("_id")  # an id stands for one user, order or product; a profile never lists it
    if column.type == "VARCHAR" and not named and result["distinct"] <= FEW_VALUES:
        counted = rows.filter(values.notnull()).group_by(value=values).aggregate(rows=lambda group: group.count())
        frequent = connection.to_pyarrow(counted.order_by(ibis.desc("rows"), "value")).to_pylist()
        shares = {row["value"]: row["rows"] / result["rows"] for row in frequent}
    quantiles = tuple(result[f"q{n}"] for n in range(len(TYPICAL))) if numeric and result["low"] is not None else ()
    return Profile(
        column,
        result["rows"],
        result["missing"] or 0,
        result["distinct"],
        shares,
        result.get("low"),
        result.get("high"),
        quantiles,
    )


def _rules(found: Profile, table: Table) -> Iterator[str]:
    """Lines of the proposed rules of a column."""
    name, share = found.column.name, found.missing / found.rows
    if name == table.time or found.missing == found.rows:
        yield f"  # {name}: nothing to propose, found {found.missing:,} of {found.rows:,} missing"
        return
    if not found.column.required and 2 * share < 1:
        yield _line(name, "max_null_share", round(2 * share + 0.01, 4), f"found {share:.2%} missing")
    if found.distinct == found.rows and name in table.key and not table.is_log:
        yield _line(name, "unique", value=True, seen=f"found {found.rows:,} different values in as many rows")
        return
    if found.values:
        # a value may contain a line break, after which the rest would be a rule instead of a comment
        listed = ", ".join(f"{_in_a_comment(value)} {part:.1%}" for value, part in list(found.values.items())[:SHOWN])
        yield _line(name, "values", list(found.values), f"found {listed}{', ...' if len(found.values) > SHOWN else ''}")
    elif found.quantiles and name not in table.key:
        low, high = _range(found)
        _, median, most = found.quantiles
        seen = f"found {found.lowest:g} to {found.highest:g}, median {median:g}, 99.9 % up to {most:g}"
        yield f"  # {seen}\n  - {{column: {name}, min: {low:g}, max: {high:g}, severity: warning}}"
    else:
        yield f"  # {name}: {found.distinct:,} different values"


def _range(found: Profile) -> tuple[float, float]:
    """Observed range with a margin; the lower limit is 0 if no value is negative."""
    low, high = found.lowest or 0.0, found.highest or 0.0
    margin = MARGIN * ((high - low) or abs(high) or 1.0)
    return (0.0 if low >= 0 else low - margin), high + margin


def _in_a_comment(value: str) -> str:
    """Return a value on one line, with unprintable characters escaped."""
    return value if value.isprintable() else repr(value)


def _line(column: str, kind: str, value: float | list[str], seen: str) -> str:
    rule = yaml.safe_dump(
        {"column": column, kind: value, "severity": "warning"},
        sort_keys=False,
        default_flow_style=True,
        width=10**6,
        allow_unicode=True,
    )
    return f"  # {seen}\n  - {rule.strip()}"
