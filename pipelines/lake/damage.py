"""Damage of a lake on this machine: commits that are no JSON, and files that a log names and the disk lacks."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from pipelines.lake.tables import UNDATED
from pipelines.settings import Settings

LOG = "_delta_log"
DAY = re.compile(r"/\w+=(\d{4}-\d\d-\d\d)/")


@dataclass(frozen=True)
class Damage:
    """A damaged file of a table.

    Attributes:
        table: name of the table.
        file: the file.
        problem: what is wrong with it, after its name.
        command: shell command that repairs the table.
    """

    table: str
    file: Path
    problem: str
    command: str


def damages(settings: Settings) -> Iterator[Damage]:
    """Yield every damaged file of a lake on this machine; a lake in an object store is not searched."""
    root = Path(settings.lake)
    if "://" in settings.lake or not root.is_dir():
        return
    for log in sorted(root.glob(f"*/{LOG}")) + sorted(root.glob(f"*/*/{LOG}")):
        name = log.parent.relative_to(root).as_posix()
        commits = list(_damaged_commits(name, log))
        yield from commits or _damaged_files(name, log.parent)


def set_aside(settings: Settings, found: Damage) -> None:
    """Rename a damaged file and take it out of the table's log; its rows, which cannot be read, are then absent."""
    if found.file.exists():
        found.file.rename(found.file.with_name(f"{found.file.name}.damaged"))
    if found.file.parent.name != LOG:
        DeltaTable(f"{settings.lake}/{found.table}").repair()


def repair(table: str, folder: Path, day: date | None) -> str:
    """Command that writes the rows of a damaged day again, from the tables before it or from the source."""
    kind = table.split("/", maxsplit=1)[0]
    dated = f" --from {day} --to {day + timedelta(days=1)}" if day and day != UNDATED else ""
    snapshot = f" --snapshot-date {day}" if day else ""
    commands = {
        "staging": f"purse doctor --fix && purse ingest{dated} && purse validate{dated}",
        "raw": f"purse doctor --fix && purse validate{dated}",
        "quarantine": f"purse doctor --fix && purse validate{dated}",
        "predictions": f"purse doctor --fix && purse score{snapshot}",
        "monitoring": f"purse doctor --fix && purse monitor{snapshot}",
        "training_sets": f"purse doctor --fix && purse split{snapshot}",
        "training_sets_without_orders": f"purse doctor --fix && purse split{snapshot}",
    }
    # daily tables and features are computed anew from the raw tables if they are absent
    return commands.get(kind) or f"rm -r {shlex.quote(str(folder))} && purse build-features"


def _damaged_commits(name: str, log: Path) -> Iterator[Damage]:
    commits = sorted(log.glob("*.json"))
    checkpoint = max((path.name[:20] for path in log.glob("*.checkpoint*.parquet")), default="")
    for commit in commits:
        if commit.name[:20] < checkpoint or _is_json(commit):
            continue
        if commit == commits[-1] and len(commits) > 1:
            away = f"mv {shlex.quote(str(commit))} {shlex.quote(f'{commit}.damaged')}"
            yield Damage(name, commit, "is no complete commit; the table can go back to the one before", away)
        else:
            again = repair(name, log.parent, None).removeprefix("purse doctor --fix && ")
            again = again if again.startswith("rm ") else f"rm -r {shlex.quote(str(log.parent))} && {again}"
            yield Damage(
                name, commit, "is no complete commit; restore it from a backup, or write the table again", again
            )


def _damaged_files(name: str, folder: Path) -> Iterator[Damage]:
    actions = pa.table(DeltaTable(str(folder)).get_add_actions(flatten=True))
    for path, size in zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True):
        file = folder / unquote(path)
        if problem := _problem(file, size):
            found = DAY.search(f"/{path}")
            yield Damage(name, file, problem, repair(name, folder, date.fromisoformat(found[1]) if found else None))


def _problem(file: Path, size: int) -> str | None:
    try:
        if file.stat().st_size != size:
            return f"has {file.stat().st_size:,} of {size:,} bytes"
        pq.read_metadata(file)
    except FileNotFoundError:
        return "is missing"
    except (OSError, pa.ArrowException) as error:
        return f"can't be read ({str(error).splitlines()[0][:200]})"
    return None


def _is_json(commit: Path) -> bool:
    try:
        return bool([json.loads(line) for line in commit.read_text().splitlines()])
    except ValueError:
        return False
