"""The running day of a live shop, at both ends of the world: no run counts it as complete."""

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

PURSE = Path(sys.executable).with_name("purse")
ZONES = ("Pacific/Pago_Pago", "Pacific/Kiritimati")
"""UTC-11 and UTC+14: at any hour one of them has another day than UTC."""

SOURCE = """
title: a shop
timezone: {zone}
tables:
  order_lines:
    from: {{files: {file}}}
    columns:
      {{order_id: o, product_id: p, line: _line, user_id: u, ordered_at: t, quantity: "1", unit_price: a, amount: a}}
"""


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest) -> ZoneInfo:
    return ZoneInfo(request.param)


@pytest.fixture
def today(zone: ZoneInfo) -> date:
    """The shop's current day; its source has ten lines a day from three days before to the day after."""
    return datetime.now(zone).date()


@pytest.fixture
def purse(tmp_path: Path, zone: ZoneInfo, today: date):
    """Run `purse` on the shop; the result is its JSON."""
    lines = [f"{n},p{n % 3},u{n % 7},{today + timedelta(days=n % 5 - 3)},{n % 5 + 1}" for n in range(50)]
    (tmp_path / "orders.csv").write_text("\n".join(["o,p,u,t,a", *lines]))
    source = tmp_path / "shop.yaml"
    source.write_text(SOURCE.format(zone=zone.key, file=tmp_path / "orders.csv"))
    shop = {"PURSE_HOME": str(tmp_path / "home"), "PURSE_SOURCE": str(source)}

    def run(*arguments: str, live: bool = True):
        live_shop = {"PURSE_INGEST__MAX_STALENESS_DAYS": "2"} if live else {}
        environment = {**os.environ, **shop, **live_shop}
        command = [PURSE, *arguments, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_a_live_shop_is_loaded_and_scored_up_to_yesterday(purse, today: date) -> None:
    assert purse("ingest")["to_date"] == str(today)
    validated = purse("validate")
    assert validated["snapshot_date"] == str(today)
    assert validated["tables"]["order_lines"]["rows_kept"] == 30
    assert purse("snapshot-date")["snapshot_date"] == str(today)


def test_a_range_that_includes_the_running_day_doesnt_make_it_complete(purse, today: date) -> None:
    end = str(today + timedelta(days=1))
    assert purse("ingest", "--to", end)["tables"]["order_lines"]["rows"] == 40
    assert purse("validate", "--to", end)["snapshot_date"] == str(today)
    assert purse("snapshot-date")["snapshot_date"] == str(today)


def test_every_day_of_a_historical_data_set_is_over(purse, today: date) -> None:
    end = str(today + timedelta(days=2))
    assert purse("ingest", live=False)["to_date"] == end
    assert purse("validate", live=False)["snapshot_date"] == end
    assert purse("snapshot-date", live=False)["snapshot_date"] == end
