"""Nights with missed and repeated ones end like one load of the same days: rows, features and scores."""

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from marketplace.dirt import LATEST_DAYS
from marketplace.plan import Plan
from pipelines.choose import choose
from pipelines.lake import tables
from pipelines.settings import Settings
from pipelines.simulate import simulate
from tests.nights.steps import SMALL, load, rescore, retrain

FIRST, NIGHTS = date(2024, 2, 26), 14
"""Day of the first load; the nights after it include a leap day and a change of clocks in Los Angeles."""

MISSED, REPEATED = (5, 6), 9
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

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Shop:
    """A simulated shop with late rows, and the export of it that exists at a moment."""

    zone: ZoneInfo
    whole: Path
    export: Path

    def night(self, number: int) -> date:
        """Day on which a night begins; the days before it are over."""
        return FIRST + A_DAY * number

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


@pytest.fixture(params=["America/Los_Angeles", "Asia/Taipei"])
def shop(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Shop:
    """Simulate a shop, and describe its export as a source in the zone."""
    plan = Plan(USERS, HISTORY + NIGHTS + LATEST_DAYS, 0, FIRST - A_DAY * HISTORY, dirt={"late": LATE})
    simulate(settings, plan, tmp_path / "whole", Console(quiet=True))
    source = yaml.safe_load((tmp_path / "whole" / "source.yaml").read_text().replace("'UTC'", f"'{request.param}'"))
    lines, users = source["tables"]["order_lines"], source["tables"]["users"]
    lines["from"], users["from"] = {"files": "export/order_lines/*.parquet"}, {"files": "export/users.parquet"}
    found = {"title": "A shop", "timezone": request.param, "tables": {"order_lines": lines, "users": users}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(found))
    return Shop(ZoneInfo(request.param), tmp_path / "whole", tmp_path / "export")


def run_nights(shop: Shop, settings: Settings) -> None:
    """Load, train and score on the first day; then run the nights, without the missed ones."""
    late = 0
    for number in range(NIGHTS + 1):
        day = shop.night(number)
        late += shop.export_until(datetime.combine(day, time(2), shop.zone))
        if number in MISSED:
            continue
        load(settings, day)
        assert tables.days(settings, "raw/order_lines")[-1] == day - A_DAY
        if number == 0:
            choose(settings, retrain(settings, day).version, "an operator", datetime.combine(day, time(2), shop.zone))
        rescore(settings, day)
        if number == REPEATED:
            load(settings, day)
            rescore(settings, day)
    assert late > NIGHTS


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


def test_a_fortnight_with_missed_nights_equals_one_load(shop: Shop, settings: Settings, tmp_path: Path) -> None:
    settings = settings.with_changes(source=str(tmp_path / "shop.yaml"), **SMALL)
    run_nights(shop, settings)
    at_once = without_lake(settings, tmp_path / "at once")
    load(at_once, shop.night(NIGHTS))
    for name, keys in KEYS.items():
        assert_equal(settings, at_once, name, keys)
    rescore(at_once, shop.night(NIGHTS))  # the last night has written its scores
    for number in (1, MISSED[-1] + 1, REPEATED):  # late rows came afterwards
        for own in (settings, at_once):
            rescore(own, shop.night(number))
    for number in (1, MISSED[-1] + 1, REPEATED, NIGHTS):
        for name in SNAPSHOTS:
            assert_equal(settings, at_once, name, ["user_id"], shop.night(number))
