"""Rows that the source itself leaves out: replaced by a later row, or of nobody. They are marked, not dropped."""

from duckdb import DuckDBPyRelation

from expectations.staged import NOBODYS, REPLACED
from pipelines.lake.sql import literal
from pipelines.source.definition import Source, SourceTable
from pipelines.source.ids import in_form, nobody_in_form


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
    ids = ", ".join(map(literal, sorted(nobody_in_form(source.nobody, source.ids))))
    found = f"{in_form('user_id', ('trim', 'lower'))} IN ({ids})"
    return rows.project(f"* REPLACE (CASE WHEN {found} THEN {literal(NOBODYS)} ELSE fault END AS fault)")


def user_id(expression: str, typed: str, source: Source) -> str:
    """SQL for a user id in the forms of the source; a missing one is '' if the source calls it nobody's, else null."""
    value = f"nullif({in_form(typed, source.ids)}, '')"
    if "" not in nobody_in_form(source.nobody, source.ids):
        return value
    given = f"coalesce(lower(trim(TRY(CAST(({expression}) AS VARCHAR)))), '')"
    return f"CASE WHEN {value} IS NULL AND {given} IN ('', 'nan') THEN '' ELSE {value} END"
