"""The version of the source file that the staged rows were read with; another version reads them all again."""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.ingest.kept_days import Found, Spans
from pipelines.lake import commit_log
from pipelines.lake import tables as lake
from pipelines.lake.missing import named
from pipelines.settings import Settings
from pipelines.source.definition import Source

A_DAY = timedelta(days=1)


def changed_tables(settings: Settings, source: Source) -> set[str]:
    """Tables whose staged rows were read with another version of the source file."""
    file = _file(settings)
    before: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    return {
        name
        for name, mark in _marks(source).items()
        if before.get(name, mark) != mark and lake.exists(settings, f"staging/{name}")
    }


def record_version(settings: Settings, source: Source) -> None:
    """Record that all staged rows were read with this version."""
    write_atomically(_file(settings), json.dumps(_marks(source), indent=2).encode())


def with_staged_days(settings: Settings, name: str, ranges: Spans) -> Spans:
    """Ranges that also cover all staged days of a table, so that no row of an earlier version stays unnoticed."""
    days = [day for day in commit_log.files(lake.open_table(settings, f"staging/{name}")) if day != lake.UNDATED]
    start, end = min(first for first, _ in ranges), max(last for _, last in ranges)
    return [(min([start, *days]), max([end, *(day + A_DAY for day in days)]))]


def never_validated(settings: Settings, names: Collection[str]) -> set[str]:
    """Tables without raw rows: nothing was computed from their staged rows yet."""
    return {name for name in names if not lake.exists(settings, f"raw/{name}")}


def stop_if_left(settings: Settings, found: Mapping[str, Found], changed: Collection[str]) -> None:
    """Stop if days stay that only an earlier version of the source file gave.

    Raises:
        PurseError: names the days of every table, and the commands that delete or keep them.
    """
    left: dict[str, list[date]] = {
        name: [loss.day for loss in found[name].gone] for name in changed if found[name].gone
    }
    if left:
        listed = "; ".join(f"{name}: {named(days)}" for name, days in left.items())
        raise PurseError(
            f"The source file of '{settings.source}' has changed since these days were staged, and it gives no rows of "
            f"them now: {listed}. Nothing was written. To delete what the earlier version gave, run "
            "'purse ingest --replace', then 'purse validate --replace'. If the shop no longer has these days, delete "
            f"{_file(settings)} to keep them, and run 'purse ingest' again."
        )


def _marks(source: Source) -> dict[str, str]:
    """Fingerprint of what decides the rows of each table; a key that is left out counts as its default."""
    shared = source.model_dump(mode="json", exclude={"tables", "path", "title"}, exclude_defaults=True)
    texts = {
        name: json.dumps([shared, mapped.model_dump(mode="json", exclude_defaults=True)], sort_keys=True, default=str)
        for name, mapped in source.tables.items()
    }
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}


def _file(settings: Settings) -> Path:
    return settings.home_path / "source_version.json"
