"""Files and commits of a Delta table, read from its log."""

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import DeltaTable


def paths(table: DeltaTable) -> list[str]:
    """Paths of a table's files as a reader opens them; the log holds them percent-encoded."""
    return [unquote(uri) for uri in table.file_uris()]


def files(table: DeltaTable) -> dict[date, list[str]]:
    """Files of a table by day. Files never change: a day with the same files has the same rows."""
    found: dict[date, list[str]] = {}
    for path in paths(table):
        (day,) = re.findall(r"/\w+=(\d{4}-\d\d-\d\d)/", path)[-1:]
        found.setdefault(date.fromisoformat(day), []).append(path)
    return found


def mark(table: DeltaTable) -> str:
    """Mark of a table's rows: commits that change no file leave it as it is."""
    names = sorted(Path(path).name for path in paths(table))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def rewritten_days(before: DeltaTable, now: DeltaTable) -> set[date]:
    """Days whose files differ between two versions of a table, added and removed days included."""
    old, new = files(before), files(now)
    return {day for day in {*old, *new} if sorted(old.get(day, [])) != sorted(new.get(day, []))}


def row_counts(table: DeltaTable) -> dict[date, int]:
    """Number of rows of a table by day."""
    counts: dict[date, int] = {}
    actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return counts
    partition = next(name for name in actions.column_names if name.startswith("partition."))
    for day, rows in zip(actions[partition].to_pylist(), actions["num_records"].to_pylist(), strict=True):
        counts[date.fromisoformat(str(day))] = counts.get(date.fromisoformat(str(day)), 0) + rows
    return counts


def metadata(table: DeltaTable) -> dict[str, str]:
    """Metadata that the writer stored with the newest commit, and the library's own entries."""
    (newest,) = table.history(1) or [_commit_info(table)]
    return {key: value for key, value in newest.items() if isinstance(value, str)}


def _commit_info(table: DeltaTable) -> dict[str, object]:
    """Information on the newest commit, from its file: `history` finds none below a folder with a # in its name."""
    file = Path(unquote(urlsplit(table.table_uri).path)) / "_delta_log" / f"{table.version():020}.json"
    actions = [json.loads(line) for line in file.read_text().splitlines()]
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def snapshots(table: DeltaTable) -> dict[str, str]:
    """Fingerprint of the inputs of each snapshot, if the newest commit stored it."""
    return dict(json.loads(metadata(table).get("snapshots", "{}")))
