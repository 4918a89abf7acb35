"""What a release knows of its users' past: a DuckDB file of the daily tables, sorted so that one user is found at once.

Tables: the daily tables and `users` as in the lake, `products` (`features.user_day.product_versions`) and `prices`
(`features.user_day.category_prices` of all days before the snapshot). What the source lacks is not there.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from features.daily.orders import categorised_lines, category_prices, product_versions
from features.daily.tables import DAILY, USER_CATEGORY_DAY, USER_EVENT_CATEGORY_DAY
from features.feature import CATEGORY_WINDOWS_DAYS
from pipelines.lake import tables as lake
from pipelines.lake.rows import between
from pipelines.lake.sql import literal
from pipelines.settings import Settings

ROWS_TOGETHER = 8_192
"""Rows of a row group, the least that is read for one user; DuckDB's own 122,880 take several times as long."""

MEMORY = "2GB"
"""What sorting may take; beyond it DuckDB works on disk."""


def write(settings: Settings, snapshot_date: date, path: Path) -> None:
    """Write the history up to `snapshot_date` (exclusive) to a new file.

    Raises:
        PurseError: `build_features` has not written the daily tables.
    """
    connection = lake.connect()
    connection.raw_sql(f"SET memory_limit = {literal(MEMORY)}")
    connection.raw_sql(f"SET temp_directory = {literal(path.with_suffix('.tmp'))}")
    store(connection, _tables(settings, connection, snapshot_date), path)
    connection.disconnect()


def store(connection: Backend, tables: Mapping[str, ir.Table], path: Path) -> None:
    """Write tables to a new file, each sorted by user, product or category and then by time."""
    connection.raw_sql(f"ATTACH {literal(path)} AS history (ROW_GROUP_SIZE {ROWS_TOGETHER})")
    for name, rows in tables.items():
        key = next(column for column in ("user_id", "product_id", "category") if column in rows.columns)
        time = next(column for column in ("day", "valid_from") if column in rows.columns)
        connection.raw_sql(f"CREATE TABLE history.{name} AS {connection.compile(rows.order_by(key, time))}")
    connection.raw_sql("DETACH history")


def _tables(settings: Settings, connection: Backend, snapshot_date: date) -> dict[str, ir.Table]:
    tables = {
        daily.name: between(lake.read(connection, settings, daily.name), None, snapshot_date)
        for daily in DAILY
        if lake.exists(settings, f"raw/{daily.log}")
    }
    start = ibis.literal(snapshot_date - timedelta(days=max(CATEGORY_WINDOWS_DAYS)))
    for name in (USER_CATEGORY_DAY.name, USER_EVENT_CATEGORY_DAY.name):
        if name in tables:
            tables[name] = tables[name].filter(tables[name].day >= start)
    versions = None
    if lake.exists(settings, "raw/products"):
        versions = lake.hold(connection, product_versions(lake.read(connection, settings, "raw/products")))
        tables["products"] = versions
    if lake.exists(settings, "raw/users"):
        tables["users"] = lake.read(connection, settings, "raw/users")
    lines = between(lake.read(connection, settings, "raw/order_lines"), None, snapshot_date)
    return tables | {"prices": category_prices(categorised_lines(lines, versions))}
