"""Which staged days validation has to judge: those that changed since it looked at them last, or those asked for.

Each commit of a raw table says which version of the staging table its days were judged from, by which rules, and which
days were left open. Staged days are compared by their files, which never change once they are written.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import ibis.expr.types as ir
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from ibis.backends.duckdb import Backend

import expectations
from features import schema
from features.schema import Table
from pipelines.files import code_fingerprint
from pipelines.lake import commit_log, tables
from pipelines.settings import Settings
from pipelines.validate.outlying_days import near_days

A_DAY = timedelta(days=1)
COPY_DAYS = 90
"""A row is a copy if a row with its key comes at most so many days before it. Further back the same key is an order
number or an id that a shop used again, and looking there would cost more with every day of history."""


@dataclass(frozen=True)
class Days:
    """What there is to do for a table.

    Attributes:
        staged: the staging table, as opened.
        judged: days to judge, in order, UNDATED among them.
        gone: days that were validated before and are no longer staged.
        state: kept with the commit of the raw table.
    """

    staged: DeltaTable
    judged: list[date]
    gone: list[date]
    state: dict[str, str]


def days_to_judge(
    settings: Settings, connection: Backend, table: Table, rules: str, start: date | None, end: date | None
) -> Days:
    """Find out which days of a table to judge.

    Args:
        settings: name the lake.
        connection: of `lake.connect`.
        table: which; it is staged.
        rules: a fingerprint of what else the verdict depends on: by other rules, all days are judged anew.
        start: the first day asked for; None and no `end`: the days that changed, and the newest.
        end: the day after the last.
    """
    staged = tables.open_table(settings, f"staging/{table.name}")
    files, before = commit_log.files(staged), _state(settings, table)
    raw = {day for name in ("raw", "quarantine") for day in _all_days(settings, f"{name}/{table.name}")}
    same = before.get("rules") == rules and before.get("staging_id") == str(staged.metadata().id)
    changed = _changed(settings, connection, table, staged, before) if same else None
    unjudged = {*files, *raw} if changed is None else changed
    if start or end:
        first, last = start or date.min, end or date.max
        wanted = {day for day in {*files, *raw} if first <= day < last or day == tables.UNDATED}
    else:
        near = near_days(commit_log.row_counts(staged))
        wanted = unjudged | {max((day for day in files if near and near[0] <= day <= near[1]), default=tables.UNDATED)}
    left = sorted(day.isoformat() for day in unjudged - wanted)
    state = {
        "staging": str(staged.version()),
        "staging_id": str(staged.metadata().id),
        "rules": rules,
        "open": json.dumps(left),
    }
    return Days(staged, sorted(wanted & set(files)), sorted(wanted - set(files)), state)


def code() -> str:
    """Fingerprint of the code of all rules and of the schema that they read."""
    return code_fingerprint(Path(str(expectations.__file__)).parent, Path(schema.__file__))


def fingerprint(texts: Iterable[str]) -> str:
    """A short fingerprint of texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def rows_before(connection: Backend, table: Table, staged: DeltaTable, days: list[date]) -> ir.Table:
    """Staged rows of other days than these among which a row of these days may have its original."""
    others = set() if not table.is_log else _reach(days, -1) & set(commit_log.files(staged)) - {*days, tables.UNDATED}
    return tables.read_opened(connection, staged, others)


def _changed(
    settings: Settings, connection: Backend, table: Table, staged: DeltaTable, before: dict[str, str]
) -> set[date] | None:
    """Days whose files are others than when they were judged, those left open, and days whose copies these have.

    None: all days, because the version before is no longer there.
    """
    left = {date.fromisoformat(day) for day in json.loads(before["open"])}
    if int(before["staging"]) == staged.version():
        return left
    try:
        past = tables.open_table(settings, f"staging/{table.name}", int(before["staging"]))
        old, new = commit_log.files(past), commit_log.files(staged)
        changed = {day for day in {*old, *new} if sorted(old.get(day, [])) != sorted(new.get(day, []))}
        return left | changed | _with_copies(connection, table, past, staged, changed)
    except (DeltaError, duckdb.Error):
        return None


def _with_copies(
    connection: Backend, table: Table, past: DeltaTable, staged: DeltaTable, changed: set[date]
) -> set[date]:
    """Later days with a key of a changed day: what was a copy there may no longer be one, and the other way round."""
    later = _reach(changed - {tables.UNDATED}, 1) & set(commit_log.files(staged)) - changed
    if not later or not table.is_log:
        return set()
    key = list(table.key)
    old, new = (tables.read_opened(connection, log, changed & set(commit_log.files(log))) for log in (past, staged))
    keys = old.select(key).union(new.select(key))
    rows = tables.read_opened(connection, staged, later).semi_join(keys, key)
    return set(rows.select("day").distinct().to_pyarrow()["day"].to_pylist())


def _reach(days: Iterable[date], direction: int) -> set[date]:
    return {day + A_DAY * n * direction for day in days if day != tables.UNDATED for n in range(1, COPY_DAYS + 1)}


def _state(settings: Settings, table: Table) -> dict[str, str]:
    """What `days_to_judge` said when the raw table was written last; empty if it was written otherwise."""
    if not tables.exists(settings, f"raw/{table.name}"):
        return {}
    kept = commit_log.metadata(tables.open_table(settings, f"raw/{table.name}"))
    return {key: kept[key] for key in ("staging", "staging_id", "rules", "open") if key in kept}


def _all_days(settings: Settings, table: str) -> Iterable[date]:
    return commit_log.files(tables.open_table(settings, table)) if tables.exists(settings, table) else ()
