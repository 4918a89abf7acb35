"""A simulated shop with late rows, what its export holds at a moment, and the comparison of two homes."""

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from rich.console import Console

from marketplace.dirt import LATEST_DAYS
from marketplace.plan import Plan
from pipelines.lake import tables
from pipelines.settings import Settings
from pipelines.simulate import simulate

FIRST, NIGHTS = date(2024, 2, 26), 14
"""Day of the first load; the nights after it include a leap day and a change of clocks in Los Angeles."""

MISSED, REPEATED = (5, 6), 9
ZONES = ("America/Los_Angeles", "Asia/Taipei")
HISTORY, USERS, LATE = 85, 1_500, 0.05
A_DAY = timedelta(days=1)
KEYS = {
    "staging/order_lines": ["order_id", "line"],
    "raw/order_lines": ["order_id", "line"],
    "raw/users": ["user_id", "valid_from"],
}
SNAPSHOTS = ("features", "features_without_orders", "predictions")
LINEAGE = ["source_file", "source_line"]
"""Place where a row was read: it moves when late rows join a file."""


@dataclass(frozen=True)
class Shop:
    """A simulated shop with late rows, and the export of it that exists at a moment; `first`: day of the first load."""

    zone: ZoneInfo
    first: date
    whole: Path
    export: Path
    source: Path

    def night(self, number: int) -> date:
        """Day on which a night begins; the days before it are over."""
        return self.first + A_DAY * number

    def export_until(self, moment: datetime) -> int:
        """Write the rows that exist at a moment; return the late order lines of the newest file."""
        today, late = moment.astimezone(UTC).date(), 0
        (self.export / "order_lines").mkdir(parents=True, exist_ok=True)
        for file in sorted((self.whole / "order_lines").glob("*.parquet")):
            arrived, copy = date.fromisoformat(file.stem), self.export / "order_lines" / file.name
            if arrived <= today and (arrived >= today - A_DAY or not copy.exists()):
                rows = pq.read_table(file)
                pq.write_table(rows.filter(pc.field("ordered_at") < moment), copy)
                late = rows.filter(pc.field("ordered_at") < datetime.combine(arrived, time(), UTC)).num_rows
        users = pq.read_table(self.whole / "users.parquet")
        known = pc.field("valid_from").is_null() | (pc.field("valid_from") < moment)
        pq.write_table(users.filter(known), self.export / "users.parquet")
        return late


def late_shop(zone: str, settings: Settings, folder: Path, first: date = FIRST) -> Shop:
    """Simulate a shop, and describe its export as a source in the time zone; `first`: day of the first load."""
    plan = Plan(USERS, HISTORY + NIGHTS + LATEST_DAYS, 0, first - A_DAY * HISTORY, dirt={"late": LATE})
    simulate(settings, plan, folder / "whole", Console(quiet=True))
    described = yaml.safe_load((folder / "whole" / "source.yaml").read_text().replace("'UTC'", f"'{zone}'"))["tables"]
    files = {"order_lines": "export/order_lines/*.parquet", "users": "export/users.parquet"}
    for_export = {name: {**described[name], "from": {"files": pattern}} for name, pattern in files.items()}
    source = folder / "shop.yaml"
    source.write_text(yaml.safe_dump({"title": "A shop", "timezone": zone, "tables": for_export}))
    return Shop(ZoneInfo(zone), first, folder / "whole", folder / "export", source)


def without_lake(settings: Settings, home: Path) -> Settings:
    """Copy a home with its champion, but without its data."""
    shutil.copytree(settings.home_path, home, ignore=shutil.ignore_patterns("lake", "exports", "results", "cache"))
    return settings.with_changes(home=str(home))


def assert_equal(settings: Settings, other: Settings, name: str, keys: list[str], day: date | None = None) -> None:
    """Compare a table of two homes to 1e-9; `day`: only the rows of this snapshot."""
    frames = []
    for own in (settings, other):
        rows = tables.read(tables.connect(), own, name)
        rows = rows.filter(rows.snapshot_date == day) if day else rows
        frames.append(rows.drop([column for column in LINEAGE if column in rows.columns]).order_by(keys).to_pandas())
    assert len(frames[0]) > 0
    pd.testing.assert_frame_equal(*frames, rtol=1e-9, atol=1e-9, obj=f"{name} {day or ''}")
