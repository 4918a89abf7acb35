"""History of a release: a DuckDB file of the daily tables, sorted for fast look-ups of single users.

Tables: the daily tables and `users` as in the lake, `products` (`features.daily.orders.product_versions`) and `prices`
(`features.daily.orders.category_prices` of all days before the snapshot). Tables that the source lacks are absent.
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

ROW_GROUP_SIZE = 8_192
"""Row group size, the least that is read for one user; DuckDB's default of 122,880 takes several times as long."""

MEMORY_LIMIT = "2GB"
"""Memory limit for sorting; beyond it DuckDB spills to disk."""


def write(settings: Settings, snapshot_date: date, path: Path) -> None:
    """Write the history up to `snapshot_date` (exclusive) to a new file.

    Raises:
        PurseError: `build_features` has not written the daily tables.
    """
    connection = lake.connect()
    connection.raw_sql(f"SET memory_limit = {literal(MEMORY_LIMIT)}")
    connection.raw_sql(f"SET temp_directory = {literal(path.with_suffix('.tmp'))}")
    write_tables(connection, _tables(settings, connection, snapshot_date), path)
    connection.disconnect()


def write_tables(connection: Backend, tables: Mapping[str, ir.Table], path: Path) -> None:
    """Write tables to a new file, each sorted by user, product or category and then by time."""
    connection.raw_sql(f"ATTACH {literal(path)} AS history (ROW_GROUP_SIZE {ROW_GROUP_SIZE})")
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
