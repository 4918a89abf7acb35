"""What each step said: one small JSON file per snapshot and step, so that a step finds its predecessors' results."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.settings import Settings


def write_result(settings: Settings, snapshot_date: date, step: str, result: dict[str, Any]) -> None:
    """Keep a step's result; a rerun replaces it."""
    write_atomically(_path(settings, snapshot_date, step), json.dumps(result, indent=2).encode())


def read_result(settings: Settings, snapshot_date: date, step: str) -> dict[str, Any]:
    """Read the result that a step left for this snapshot.

    Raises:
        PurseError: the step has not run for this snapshot; the message names the command.
    """
    path = _path(settings, snapshot_date, step)
    if not path.is_file():
        command = f"purse {step.replace('_', '-')} --snapshot-date {snapshot_date}"
        raise PurseError(f"Step '{step}' has left no result for {snapshot_date} ({path}). Run '{command}' first.")
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def _path(settings: Settings, snapshot_date: date, step: str) -> Path:
    return settings.home_path / "results" / snapshot_date.isoformat() / f"{step}.json"
