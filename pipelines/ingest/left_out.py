"""Rows that the source itself leaves out: replaced by a later row, or of nobody. They are marked, not dropped."""

from duckdb import DuckDBPyRelation

from expectations.staged import NOBODYS, REPLACED
from pipelines.lake.sql import literal
from pipelines.source.definition import Source, SourceTable
from pipelines.source.ids import SPACES


def without_superseded(rows: DuckDBPyRelation, mapped: SourceTable, key: tuple[str, ...]) -> DuckDBPyRelation:
    """With `duplicates: last`, mark readable rows with a later row of the same key; `first` is validated later."""
    if mapped.duplicates == "first":
        return rows
    names = ", ".join(key)
    successor = (
        "lead(source_file || ' line ' || source_line) "
        f"OVER (PARTITION BY {names}, fault IS NULL ORDER BY source_file, source_line)"
    )
    complete = " AND ".join(f"{name} IS NOT NULL" for name in key)
    superseded = f"CASE WHEN {complete} THEN '{REPLACED}' || {successor} || ', which has the same {names}' END"
    return rows.project(f"* REPLACE (coalesce(fault, {superseded}) AS fault)")


def without_nobody(rows: DuckDBPyRelation, source: Source) -> DuckDBPyRelation:
    """Mark rows whose user id is one of `nobody`; case and spaces around it don't matter."""
    if not source.nobody or "user_id" not in rows.columns:
        return rows
    ids = ", ".join(sorted({literal(one.strip(SPACES).lower()) for one in source.nobody}))
    found = f"lower(trim(user_id, {literal(SPACES)})) IN ({ids})"
    return rows.project(f"* REPLACE (CASE WHEN {found} THEN {literal(NOBODYS)} ELSE fault END AS fault)")
