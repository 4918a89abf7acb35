"""Validate posted rows by the batch's rules, store them, and wake the rescoring task."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from features.schema import ORDER_LINES, Table
from serving.api.errors import RefusedError
from serving.rows import to_store, untimely
from serving.service.state import Service


async def validated(
    service: Service, table: Table, rows: Sequence[dict[str, Any]], first: date | None
) -> list[dict[str, Any]]:
    """Validate rows and convert their times to the shop's time zone.

    Args:
        service: names the shop's current time.
        table: table of the rows.
        rows: posted rows, with every column.
        first: first day whose rows are accepted; None: any day.

    Raises:
        RefusedError: rows break a rule of the batch, are from the future, or their days are already in the batch.
    """
    local = [{**row, table.time: _local(service, row[table.time])} for row in rows]
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


async def store(service: Service, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Store validated rows and wake the rescoring task; return the number of new rows."""
    new = await service.store.append(to_store(table, rows))
    if table is ORDER_LINES and any(row[table.time].date() < service.clock.today() for row in rows):
        service.days_changed = True
    service.metrics.rows.labels(table.name, "accepted").inc(new)
    service.metrics.rows.labels(table.name, "duplicate").inc(len(rows) - new)
    service.arrived.set()
    return new


def _local(service: Service, moment: Any) -> Any:  # noqa: ANN401  # a datetime
    return service.clock.local(moment) if moment.tzinfo else moment
