"""A shop of two CSV files whose days the tests take away and give back."""

import csv
from datetime import date, timedelta

import pytest
import yaml

from pipelines.lake import tables as lake

FIRST, A_DAY = date(2024, 3, 4), timedelta(days=1)
COLUMNS = {name: name for name in ("order_id", "product_id", "user_id", "ordered_at", "quantity", "amount")}


def order(number, day, amount=2.0, at="10:00"):
    return [f"o{number}", "apple", f"u{number}", f"{FIRST + A_DAY * day} {at}", 1, amount]


@pytest.fixture
def shop(tmp_path, settings):
    """Write the shop's files: order lines, and users with their time or without."""

    def make(lines, users=None, *, timed=True):
        columns = COLUMNS | {"line": "1", "unit_price": "amount"}
        tables = {"order_lines": {"from": {"files": "orders.csv"}, "columns": columns}}
        write(tmp_path / "orders.csv", [list(COLUMNS), *lines])
        if users:
            write(tmp_path / "users.csv", [["who", "since"], *users])
            mapped = {"user_id": "who"} | ({"valid_from": "since"} if timed else {})
            tables["users"] = {"from": {"files": "users.csv"}, "columns": mapped}
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": tables}))
        return settings.with_changes(source=str(path))

    return make


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def by_day(settings, table="staging/order_lines"):
    rows = lake.read(lake.connect(), settings, table)
    counted = rows.group_by("day").aggregate(rows=lambda group: group.count()).to_pyarrow().to_pylist()
    return {(row["day"] - FIRST).days: row["rows"] for row in counted}
