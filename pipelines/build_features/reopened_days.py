"""Days of the daily tables that a change of the raw tables reopens.

Raw tables are compared with the version read last: by the files of each day, which never change once written, and
products by their rows.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import duckdb
import ibis.expr.types as ir
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from ibis.backends.duckdb import Backend

from features.daily.orders import PRICE_REFERENCE_DAYS, product_versions
from pipelines.lake import commit_log, tables
from pipelines.settings import Settings

A_DAY = timedelta(days=1)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Raw:
    """Raw tables at the versions that one refresh reads.

    Attributes:
        settings: name the lake.
        connection: from `lake.connect`.
        logs: opened tables that the first stage reads, by name.
        products: `product_versions`; None where the source has no products.
        compared: opened earlier versions, and product changes, each once.
        opened: results of `read` and of computations on them, by name and days.
    """

    settings: Settings
    connection: Backend
    logs: Mapping[str, DeltaTable]
    products: ir.Table | None
    compared: dict[tuple[str, int], Any] = field(default_factory=dict)
    opened: dict[tuple[str, frozenset[date]], ir.Table] = field(default_factory=dict)

    @classmethod
    def newest(cls, settings: Settings, connection: Backend) -> "Raw":
        """Open the newest raw tables."""
        names = [name for name in ("order_lines", "products", "events") if tables.exists(settings, f"raw/{name}")]
        logs = {name: tables.open_table(settings, f"raw/{name}") for name in names}
        return cls(settings, connection, logs, _products(connection, logs["products"]) if "products" in logs else None)

    def read(self, name: str, days: Collection[date]) -> ir.Table:
        """Rows of some days of a table; each file is opened once."""
        chosen = frozenset(days)
        if (name, chosen) not in self.opened:
            self.opened[name, chosen] = tables.read_opened(self.connection, self.logs[name], chosen)
        return self.opened[name, chosen]

    def once(self, name: str, version: int, find: Callable[[], Result]) -> Result:
        """Cached result of `find` for a table and version."""
        if (name, version) not in self.compared:
            self.compared[name, version] = find()
        found: Result = self.compared[name, version]
        return found


def reopened(raw: Raw, log: str, *, priced: bool, before: Mapping[str, int]) -> set[date] | None:
    """Days of a daily table that changes of its sources may have affected.

    Args:
        raw: the raw tables.
        log: the raw table with the same days.
        priced: whether a row also reads the prices of the 28 days before; a late line then reopens the 28 days after
            it too.
        before: versions of the sources that the rows were computed from.

    Returns:
        The days; None: all days, because a version no longer exists.
    """
    try:
        products = _changed_products(raw, before["products"]) if "products" in before else None
        days = _changed_days(raw, log, before) | _days_with(raw, log, products)
        if priced:
            purchases = _changed_days(raw, "order_lines", before) | _days_with(raw, "order_lines", products)
            days |= {day + A_DAY * (n + 1) for day in purchases for n in range(PRICE_REFERENCE_DAYS)}
    except (DeltaError, duckdb.Error, FileNotFoundError):  # a version was vacuumed
        return None
    return days


def _changed_days(raw: Raw, name: str, before: Mapping[str, int]) -> set[date]:
    def compare() -> set[date]:
        return commit_log.rewritten_days(_log(raw, name, before[name]), raw.logs[name])

    return raw.once(name, before[name], compare) if raw.logs[name].version() != before[name] else set()


def _changed_products(raw: Raw, before: int) -> ir.Table | None:
    """Products that differ from a version, with the moment from which on (`since`); None: no product."""
    now = raw.products
    if now is None or before == raw.logs["products"].version():
        return None

    def compare() -> ir.Table:
        old, new = _products(raw.connection, _log(raw, "products", before)).drop("valid_until"), now.drop("valid_until")
        differing = old.difference(new).union(new.difference(old))
        changed = differing.group_by("product_id").aggregate(since=differing.valid_from.min())
        return tables.hold(raw.connection, changed)

    return raw.once("products", before, compare)


def _days_with(raw: Raw, name: str, changed: ir.Table | None) -> set[date]:
    """Days of a log with a changed product."""
    first = None if changed is None else changed.since.min().to_pyarrow().as_py()
    if changed is None or first is None:
        return set()
    rows = raw.read(name, [day for day in commit_log.files(raw.logs[name]) if day >= first.date()])
    if "product_id" not in rows.columns:
        return set()
    time = "occurred_at" if name == "events" else "ordered_at"
    touched = rows.semi_join(changed, [rows.product_id == changed.product_id, rows[time] >= changed.since])
    return set(touched.select("day").distinct().to_pyarrow()["day"].to_pylist())


def _log(raw: Raw, name: str, version: int) -> DeltaTable:
    return tables.open_table(raw.settings, f"raw/{name}", version)


def _products(connection: Backend, log: DeltaTable) -> ir.Table:
    return tables.hold(connection, product_versions(tables.read_opened(connection, log)))
