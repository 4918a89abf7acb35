"""Notes on accepted rows that change no score, or less than their sender may expect."""

import atexit
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from features.schema import EVENT_TYPES, EVENTS, Table
from serving.release.release import HISTORY
from serving.service.state import Current, Service

PRODUCTS = "products"


def notes(service: Service, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on unknown event types and products, and on a model that reads no events; empty without any."""
    current, found = service.required(), []
    if table is EVENTS:
        if current.release.reads is not None and EVENTS.name not in current.release.reads:
            found.append(
                f"The active model, version {current.release.model_version}, reads no events: they are stored, and "
                "change no score before a model that reads them."
            )
        if unknown := _counted(row["event_type"] for row in rows if row["event_type"] not in EVENT_TYPES):
            found.append(f"No feature reads the event type {unknown}. Types that count: {', '.join(EVENT_TYPES)}.")
    ids = {row["product_id"] for row in rows if row["product_id"] is not None}
    if ids and (new := ids - _known(service, current, ids)):
        rows_of_new = (row["product_id"] for row in rows if row["product_id"] in new)
        found.append(
            f"The active release does not know the product {_counted(rows_of_new)}: features of categories and prices "
            "leave these rows out until 'purse ingest' loads the product."
        )
    return found


def _counted(values: Iterable[str]) -> str:
    """The first of some values, and how many others there are; empty without a value."""
    different = list(dict.fromkeys(values))
    others = f" (and {len(different) - 1:,} others)" if len(different) > 1 else ""
    return f"{different[0]!r}{others}" if different else ""


def _known(service: Service, current: Current, ids: set[str]) -> set[str]:
    """Product ids that the release knows; all of them if its source has no products."""
    connection = _history(service.releases / current.state.release / HISTORY)
    if connection is None:
        return ids
    with connection.cursor() as cursor:
        query = "SELECT DISTINCT product_id FROM products WHERE product_id IN (SELECT unnest($ids))"
        return {product_id for (product_id,) in cursor.execute(query, {"ids": sorted(ids)}).fetchall()}


@lru_cache(maxsize=2)
def _history(file: Path) -> duckdb.DuckDBPyConnection | None:
    """A release's history, opened once; None if it has no products."""
    if not file.is_file():
        return None
    connection = duckdb.connect(str(file), read_only=True, config={"threads": 1})
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if PRODUCTS in tables:
        return connection
    connection.close()
    return None


atexit.register(_history.cache_clear)  # DuckDB complains about connections that the interpreter's end finds open
