"""Rows on their way in: judged as the batch judges them, kept, and told to whoever scores."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from features.schema import ORDER_LINES, Table
from serving.api.errors import RefusedError
from serving.rows import to_store, untimely
from serving.service.state import Service


async def checked(
    service: Service, table: Table, rows: Sequence[dict[str, Any]], first: date | None
) -> list[dict[str, Any]]:
    """The rows with their times as the shop's own.

    Args:
        service: knows the shop's now.
        table: which the rows are of.
        rows: with every column, as sent.
        first: the first day whose rows are taken; None: any.

    Raises:
        RefusedError: rows break a rule of the batch, are from the future or of days that were counted already.
    """
    local = [{**row, table.time: _local(service, row[table.time])} for row in rows]
    latest = service.clock.now() + timedelta(seconds=service.settings.serving.max_future_seconds)
    faults = untimely(table, local, first or date.min, latest)
    faults += await asyncio.to_thread(service.judge.faults, table, local)
    if faults:
        service.metrics.rows.labels(table.name, "refused").inc(len(rows))
        broken = len({fault.row for fault in faults})
        raise RefusedError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{broken:,} of {len(rows):,} rows of {table.name} break a rule, so none was taken. First row "
            f"{faults[0].row}: {faults[0].message}. Mend or leave out the rows that are named and send the rest again.",
            sorted(faults, key=lambda fault: fault.row),
        )
    return local


async def keep(service: Service, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Make checked rows durable and let their users be scored again; returns how many were new."""
    new = await service.store.append(to_store(table, rows))
    if table is ORDER_LINES and any(row[table.time].date() < service.clock.today() for row in rows):
        service.days_changed = True
    service.metrics.rows.labels(table.name, "accepted").inc(new)
    service.metrics.rows.labels(table.name, "duplicate").inc(len(rows) - new)
    service.arrived.set()
    return new


def _local(service: Service, moment: Any) -> Any:  # noqa: ANN401  # a datetime
    return service.clock.local(moment) if moment.tzinfo else moment
