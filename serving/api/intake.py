"""Validate posted rows by the batch's rules, store them once per key, and wake the rescoring task."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

import orjson

from features.schema import ORDER_LINES, Table
from pipelines.audit import record
from serving.api.errors import RefusedError
from serving.clock import wall
from serving.rows import Fault, to_store, untimely
from serving.service.state import Service
from serving.stores.protocol import Conflict, LiveRow

log = logging.getLogger(__name__)


async def validated(
    service: Service, table: Table, rows: Sequence[dict[str, Any]], first: date | None
) -> list[dict[str, Any]]:
    """Validate rows; bring user ids into the source's forms, and times to the shop's time zone.

    Args:
        service: names the shop's current time.
        table: table of the rows.
        rows: posted rows, with every column.
        first: first day whose rows are accepted; None: any day.

    Raises:
        RefusedError: rows break a rule of the batch, are from the future, or their days are already in the batch.
    """
    local = [{**row, table.time: _local(service, row[table.time])} for row in service.validator.identified(rows)]
    latest = service.clock.now() + timedelta(seconds=service.settings.serving.max_future_seconds)
    faults = untimely(table, local, first or date.min, latest)
    faults += await asyncio.to_thread(service.validator.faults, table, local)
    if faults:
        service.metrics.rows.labels(table.name, "refused").inc(len(rows))
        broken = len({fault.row for fault in faults})
        raise RefusedError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{broken:,} of {len(rows):,} rows of {table.name} break a rule, so no row was accepted. First row "
            f"{faults[0].row}: {faults[0].message}. Correct or remove the listed rows and send all of them again.",
            sorted(faults, key=lambda fault: fault.row),
        )
    return local


async def store(service: Service, table: Table, rows: Sequence[dict[str, Any]], who: str) -> int:
    """Store validated rows of a sender and wake the rescoring task; return the number of new rows.

    Raises:
        RefusedError: the key of a row is stored with other content; no row was stored.
    """
    posted = to_store(table, rows)
    appended = await service.store.append(posted, who)
    if appended.conflicts:
        await _refuse(service, table, posted, appended.conflicts, who)
    new = appended.new
    if table is ORDER_LINES and any(row[table.time].date() < service.clock.today() for row in rows):
        service.days_changed = True
    service.metrics.rows.labels(table.name, "accepted").inc(new)
    service.metrics.rows.labels(table.name, "duplicate").inc(len(rows) - new)
    service.arrived.set()
    return new


async def _refuse(service: Service, table: Table, rows: Sequence[LiveRow], found: Sequence[Conflict], who: str) -> None:
    """Refuse rows that contradict stored ones; count them, and record who sent either."""
    service.metrics.rows.labels(table.name, "conflict").inc(len(found))
    first, senders = found[0], sorted({one.sender or "not known" for one in found})
    details = {"rows": str(len(found)), "first": _id(table, rows[first.place]), "stored_from": ", ".join(senders)}
    try:
        await asyncio.to_thread(record, service.folder, wall(), who, f"{table.name}.conflict", "refused", **details)
    except OSError as error:  # a full disk; the rows are refused all the same
        log.warning("The audit log cannot be written: %s", error)
    faults = []
    for place, sender in found:
        others = " by another sender" if sender not in ("", who) else ""
        faults.append(Fault(place, "conflict", f"{_id(table, rows[place])} was sent before with other content{others}"))
    raise RefusedError(
        HTTPStatus.CONFLICT,
        f"{len(found):,} of {len(rows):,} rows of {table.name} contradict rows that were sent before, so no row was "
        f"accepted. First row {faults[0].row}: {faults[0].message}. Send the other rows without the listed ones; to "
        "correct a stored row, load it by the batch ('purse ingest').",
        faults,
    )


def _id(table: Table, row: LiveRow) -> str:
    """Key of a row in words, such as "order_id 'o-1', product_id 'p', line 1"."""
    return ", ".join(f"{name} {value!r}" for name, value in zip(table.key, orjson.loads(row.key), strict=True))


def _local(service: Service, moment: Any) -> Any:  # noqa: ANN401  # a datetime
    return service.clock.local(moment) if moment.tzinfo else moment
