"""Write a simulated shop as files, in the form of a shop's daily export."""

import json
import shutil
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track

from marketplace import dirt, drift
from marketplace.dirt import Dirt
from marketplace.plan import Plan
from marketplace.season import campaign
from marketplace.shop import Day, Shop
from pipelines.errors import PurseError
from pipelines.settings import REPOSITORY, Settings

SOURCE = REPOSITORY / "conf" / "sources" / "marketplace.yaml"
DEFAULT_FOLDER = "{source_root}/marketplace/"
"""Default folder of `simulate`, as SOURCE names it."""

DESCRIPTION = "simulation.json"
README = """# Simulated data: no row of it is real

{users:,} users of a shop that does not exist, on {days} days from {start}, made by

    {command}

The same command writes the same bytes. `{description}` says what was asked for and what was spoiled.

| file | rows |
|---|---|
| `users.parquet` | users; `valid_from` is null for those who were there before the first day |
| `products.parquet` | products; a second version where the price rose |
| `order_lines/<day>.parquet` | purchases and returns, EUR; `returned_line` is the line that a return takes back |
| `events/<day>.parquet` | searches, views, clicks, favourites and carts |
| `truth.parquet` | what no shop knows, such as each user's budget (EUR in 28 days) and the share spent here |

A file holds the rows that arrived on its day, in the order of time. Time stamps are instants, days are those of UTC.
`source.yaml` maps all of it: `PURSE_SOURCE=<this folder>/source.yaml purse ingest`.
"""


def simulate(settings: Settings, plan: Plan, output: Path | None, console: Console) -> dict[str, Any]:
    """Simulate a shop and write it to a folder atomically.

    Args:
        settings: name `<source_root>/marketplace`, the default output.
        plan: the simulation.
        output: folder; an earlier simulation in it is replaced. None: the default.
        console: console for progress.

    Returns:
        Folder, source file, rows by table, and spoiled rows by table and kind.

    Raises:
        PurseError: the folder holds something else, or cannot be written.
    """
    folder = (output or settings.source_root_path / "marketplace").absolute()
    if folder.exists() and not (folder / DESCRIPTION).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise PurseError(f"{folder} holds something that 'purse simulate' did not write. Name another --output.")
    source = str(folder / "source.yaml") if output else "marketplace"
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        written = _write(plan, partial, console)
        _describe(plan, partial, written)
        _exchange(partial, folder)
    except OSError as error:
        raise PurseError(
            f"Writing {folder} failed: {error}. What was there stays. Free space (15 MB for a million events), or "
            "name another --output."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"output": str(folder), "source": source, **written}


def parse_drift(given: list[str], days: int) -> dict[str, int]:
    """Parse kinds of drift with their first day, such as `price_rise@45`.

    Raises:
        PurseError: malformed, an unknown kind, or a day outside the simulation.
    """
    first = {}
    for word in given:
        kind, _, day = word.partition("@")
        if kind not in drift.KINDS or not day.isdecimal() or int(day) >= days:
            raise PurseError(
                f"--drift: expected KIND@DAY with a day from 0 to {days - 1}, found '{word}'. "
                f"Kinds:\n{_kinds(drift.KINDS)}"
            )
        first[kind] = int(day)
    return first


def parse_dirt(given: list[str]) -> dict[str, float]:
    """Parse kinds of dirt with their share of rows, such as `late` and `duplicates=0.02`; `all` is every kind.

    Raises:
        PurseError: malformed, an unknown kind, or a share outside 0 to 1.
    """
    shares: dict[str, float] = {}
    for word in given:
        kind, _, text = word.partition("=")
        try:
            share = float(text) if text else dirt.SHARE
        except ValueError:
            share = -1.0
        if kind not in {*dirt.KINDS, "all"} or not 0 < share < 1:
            raise PurseError(
                f"--dirt: expected KIND or KIND=SHARE with a share between 0 and 1, or 'all', found '{word}'. "
                f"Kinds:\n{_kinds(dirt.KINDS)}"
            )
        shares |= dict.fromkeys(dirt.KINDS if kind == "all" else [kind], share)
    return shares


def command(plan: Plan) -> str:
    """Command line that simulates a plan."""
    words = [f"purse simulate --users {plan.users} --days {plan.days} --seed {plan.seed} --start {plan.start}"]
    words += [f"--drift {kind}@{day}" for kind, day in plan.drift.items()]
    words += [f"--dirt {kind}={share}" for kind, share in plan.dirt.items()]
    return " ".join(words)


def _exchange(new: Path, folder: Path) -> None:
    """Move `new` to the folder's place; the old folder is deleted afterwards, or put back on failure."""
    aside = folder.with_name(f".{folder.name}.replaced")
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        folder.replace(aside)
    try:
        new.replace(folder)
    except OSError:
        if aside.exists():
            aside.replace(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _write(plan: Plan, folder: Path, console: Console) -> dict[str, Any]:
    for name in ("order_lines", "events"):
        (folder / name).mkdir(parents=True)
    shop, spoiler = Shop(plan), Dirt(plan)
    users = spoiler.users(shop.users)
    for name, table in {"users": users, "products": shop.products, "truth": shop.truth}.items():
        _write_table(folder / f"{name}.parquet", table, plan)
    rows = {"users": users.num_rows, "products": shop.products.num_rows, "order_lines": 0, "events": 0}
    for day in track(spoiler.days(shop.days()), "simulate", plan.days, console=console, transient=True):
        rows["order_lines"] += _write_day(folder, "order_lines", day, day.order_lines, plan)
        rows["events"] += _write_day(folder, "events", day, day.events, plan)
    return {"rows": rows, "spoiled": dict(sorted(spoiler.spoiled.items()))}


def _write_day(folder: Path, name: str, day: Day, table: pa.Table, plan: Plan) -> int:
    date_of_day = plan.start + timedelta(days=day.number)
    _write_table(folder / name / f"{date_of_day}.parquet", table, plan)
    return int(table.num_rows)


def _write_table(path: Path, table: pa.Table, plan: Plan) -> None:
    label = {"simulated": "true", "made_by": command(plan)}
    # numbers hardly repeat within a file, so a dictionary is useless
    dictionaries = [
        field.name for field in table.schema if pa.types.is_dictionary(field.type) or field.type == "string"
    ]
    pq.write_table(table.replace_schema_metadata(label), path, compression="zstd", use_dictionary=dictionaries)


def _describe(plan: Plan, folder: Path, written: dict[str, Any]) -> None:
    dates = [plan.start + timedelta(days=day) for day in range(plan.days)]
    campaigns = {day.isoformat(): running.name for day in dates if (running := campaign(day))}
    description = {
        "simulated": True,
        "command": command(plan),
        **asdict(plan),
        "drift": {kind: dates[day].isoformat() for kind, day in plan.drift.items()},
        **written,
        "campaigns": campaigns,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2, default=date.isoformat) + "\n")
    readme = README.format(**asdict(plan), command=command(plan), description=DESCRIPTION)
    (folder / "README.md").write_text(readme)
    (folder / "source.yaml").write_text(SOURCE.read_text().replace(DEFAULT_FOLDER, ""))


def _kinds(kinds: dict[str, str]) -> str:
    return "\n".join(f"  {kind}: {what}" for kind, what in kinds.items())
