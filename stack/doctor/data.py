"""Checks of the data: databases, tables, results, what killed processes left, days that were never read."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from features.schema import TABLES
from pipelines import databases as records
from pipelines import sqlite
from pipelines.lake import damage, missing
from pipelines.settings import Settings
from pipelines.source.definition import load_source
from stack.doctor.finding import Finding

A_DAY = timedelta(days=1)
LEFTOVERS = ("results/*/.*.json.*", "exports/.*", "cache/.ingest-*", ".*.draft-*", "*/.*.draft-*", ".champion.json.*")
"""Temporary files and folders that a killed process leaves in a home."""


def databases(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001  # one form for all checks
    """Databases and JSON files that cannot be read."""
    for found in records.damaged(settings):
        problem = f"{found.file} is damaged: {found.problem}. Restore it from a backup; without it {found.lost}."
        yield Finding("databases", problem, found.command)


def tables(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Files of the lake that are missing or damaged; `--fix` takes them out of their table."""
    for found in damage.damages(settings):
        safe = not found.command.startswith("rm ")
        fix = partial(damage.set_aside, settings, found) if safe else None
        yield Finding("tables", f"Table '{found.table}': {found.file} {found.problem}.", found.command, fix)


def results(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Results of steps that are no JSON."""
    for file in sorted(settings.home_path.glob("results/*/*.json")):
        try:
            json.loads(file.read_bytes())
        except ValueError as error:
            step = file.stem.replace("_", "-")
            yield Finding("results", f"{file} is no JSON ({error}): run its step '{step}' again.", f"rm '{file}'")


def leftovers(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Temporary files of killed processes, older than a day."""
    old = (now - A_DAY).timestamp()
    for pattern in LEFTOVERS:
        for path in sorted(settings.home_path.glob(pattern)):
            if path.stat().st_mtime < old:
                yield Finding(
                    "leftovers",
                    f"{path} was left by a killed process.",
                    f"rm -r '{path}'",
                    partial(_delete, path),
                )


def missing_days(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """Days without rows between loaded days, which chance does not explain."""
    for name in TABLES:
        if days := missing.missing(settings, name):
            first, end = days[0], days[-1] + A_DAY
            problem = f"Table '{name}': {len(days)} days between loaded days have no rows: {missing.named(days)}."
            loads = f"purse ingest --from {first} --to {end} && purse validate --from {first} --to {end}"
            yield Finding("missing days", f"{problem} If the shop was closed, list them in ingest.closed_days.", loads)


def source(settings: Settings, now: datetime) -> Iterator[Finding]:  # noqa: ARG001
    """A home that holds another shop than the settings name."""
    holder = settings.home_path / "source.txt"
    if holder.is_file() and holder.read_text() != (title := load_source(settings).title):
        yield Finding(
            "source",
            f"The home holds the shop '{holder.read_text()}', and the settings name '{title}'. Correct the setting "
            "source or PURSE_HOME.",
            "echo $PURSE_SOURCE $PURSE_HOME",
        )


def _delete(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else sqlite.remove(path)
