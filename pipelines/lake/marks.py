"""Marks of lake tables: they change when rows change."""

from collections.abc import Iterable

from features.schema import TABLES
from pipelines.lake import commit_log, tables
from pipelines.settings import Settings


def mark_of(settings: Settings, names: Iterable[str]) -> str:
    """Marks of the tables that exist, with their names."""
    found = [name for name in names if tables.exists(settings, name)]
    return " ".join(f"{name}-{commit_log.mark(tables.open_table(settings, name))}" for name in found)


def raw_mark(settings: Settings) -> str:
    """Marks of the raw tables."""
    return mark_of(settings, [f"raw/{name}" for name in TABLES])
