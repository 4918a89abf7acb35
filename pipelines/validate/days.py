"""Select the staged days to validate: the requested days, or every day that changed since the last validation.

Each commit of a raw table stores the staging version and the rules it was validated with, and the days still open.
Staged days are compared by their files, which never change after they are written.
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
from pipelines.lake.outlying_days import near_days
from pipelines.settings import Settings

A_DAY = timedelta(days=1)
COPY_DAYS = 90
"""Maximum days between an original and its copy. Beyond that, an equal key is an order number or id that the shop
reused, and the search would grow with the history."""


@dataclass(frozen=True)
class Days:
    """Days of a table to validate.

    Attributes:
        staged: staging table, as opened.
        selected: days to validate, in order, including UNDATED.
        removed: days that were validated before and are no longer staged; their rows are deleted.
        kept: raw days that are no longer staged and stay as they are.
        state: metadata for the commit of the raw table.
    """

    staged: DeltaTable
    selected: list[date]
    removed: list[date]
    kept: list[date]
    state: dict[str, str]


def days_to_validate(
    settings: Settings,
    connection: Backend,
    table: Table,
    rules: str,
    start: date | None,
    end: date | None,
    today: date | None = None,
    *,
    replace: bool = False,
) -> Days:
    """Select the days of a table to validate.

    Args:
        settings: name the lake.
        connection: from `lake.connect`.
        table: a staged table.
        rules: fingerprint of the rules; when it changes, all days are validated again.
        start: first requested day. None without `end`: the changed days and the newest day.
        end: exclusive end of the requested days.
        today: the shop's current day; later days are outlying. None: the shop has no clock.
        replace: delete raw days that are no longer staged.
    """
    staged = tables.open_table(settings, f"staging/{table.name}")
    files, target = commit_log.files(staged), f"raw/{table.name}"
    before = commit_log.metadata(tables.open_table(settings, target)) if tables.exists(settings, target) else {}
    validated = set(_all_days(settings, target))
    raw = {*validated, *_all_days(settings, f"quarantine/{table.name}")}
    same = before.get("rules") == rules and before.get("staging_id") == str(staged.metadata().id)
    changed = _changed(settings, connection, table, staged, before) if same else None
    near = near_days(commit_log.row_counts(staged), today)
    caught_up = _inside(files, near) - _inside(files, _stored(before.get("near")))
    stale = {*files, *raw} if changed is None else changed | (caught_up if "near" in before else set())
    if start or end:
        first, last = start or date.min, end or date.max
        wanted = {day for day in {*files, *raw} if first <= day < last or day == tables.UNDATED}
    else:
        wanted = stale | {max(_inside(files, near), default=tables.UNDATED)}
    left = sorted(day.isoformat() for day in stale - wanted)
    state = {
        "staging": str(staged.version()),
        "staging_id": str(staged.metadata().id),
        "rules": rules,
        "open": json.dumps(left),
        "near": " ".join(day.isoformat() for day in near or ()),
    }
    gone = wanted - set(files)
    kept = set() if replace else gone & validated - {tables.UNDATED}
    kept -= _moved(settings, connection, table, staged, kept)
    return Days(staged, sorted(wanted & set(files)), sorted(gone - kept), sorted(kept), state)


def _moved(settings: Settings, connection: Backend, table: Table, staged: DeltaTable, days: set[date]) -> set[date]:
    """Raw days whose rows are all staged on other days now, such as after a corrected date format."""
    if not days or not table.is_log:
        return set()
    key = [column for column in table.key if column != table.time]
    raw = tables.read_opened(connection, tables.open_table(settings, f"raw/{table.name}"), days)
    now = tables.read_opened(connection, staged, commit_log.files(staged)).select(key)
    left = raw.anti_join(now, key).select("day").distinct().to_pyarrow()["day"].to_pylist()
    return days - set(left)


def _inside(days: Iterable[date], near: tuple[date, date] | None) -> set[date]:
    """Days that are not outlying."""
    return {day for day in days if near and near[0] <= day <= near[1]}


def _stored(near: str | None) -> tuple[date, date] | None:
    first, _, last = (near or "").partition(" ")
    return (date.fromisoformat(first), date.fromisoformat(last)) if last else None


def code() -> str:
    """Fingerprint of the code of all rules and of the schema that they read."""
    return code_fingerprint(Path(str(expectations.__file__)).parent, Path(schema.__file__))


def fingerprint(texts: Iterable[str]) -> str:
    """Short fingerprint of texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def rows_before(connection: Backend, table: Table, staged: DeltaTable, days: list[date]) -> ir.Table:
    """Staged rows of other days that may contain the original of a row of these days."""
    others = set() if not table.is_log else _reach(days, -1) & set(commit_log.files(staged)) - {*days, tables.UNDATED}
    return tables.read_opened(connection, staged, others)


def _changed(
    settings: Settings, connection: Backend, table: Table, staged: DeltaTable, before: dict[str, str]
) -> set[date] | None:
    """Days with changed files, open days, and later days with a key of a changed day.

    None means all days: the staging version of the last validation no longer exists.
    """
    left = {date.fromisoformat(day) for day in json.loads(before["open"])}
    if int(before["staging"]) == staged.version():
        return left
    try:
        past = tables.open_table(settings, f"staging/{table.name}", int(before["staging"]))
        changed = commit_log.rewritten_days(past, staged)
        return left | changed | _with_copies(connection, table, past, staged, changed)
    except (DeltaError, duckdb.Error):
        return None


def _with_copies(
    connection: Backend, table: Table, past: DeltaTable, staged: DeltaTable, changed: set[date]
) -> set[date]:
    """Later days with a key of a changed day: a copy there may become an original, and an original a copy."""
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


def _all_days(settings: Settings, table: str) -> Iterable[date]:
    return commit_log.files(tables.open_table(settings, table)) if tables.exists(settings, table) else ()
