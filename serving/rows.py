"""Rows that are sent to the service: their models, derived from the canonical tables, and the rules of the batch.

What validation would move to quarantine is refused here, with the same names of rules. The rules of a table are written
as SQL once, which takes longer than to run them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any

import duckdb
import ibis
import orjson
import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from expectations.rules import Rule
from expectations.staged import COPY, Known
from expectations.suites import SUITES, broken_rules
from features.schema import TABLES, Column, Table
from pipelines.settings import Settings
from pipelines.source.definition import load_source
from pipelines.source.rules import OwnRules
from serving.stores.protocol import LiveRow

LONGEST_TEXT = 200
LARGEST_NUMBER = 1e15
"""Beyond it sums of money are no longer exact to a cent, and features leave what models can compute with."""

ARROW = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "TIMESTAMP": pa.timestamp("us")}
EXAMPLES: dict[str, dict[str, Any]] = {
    "order_lines": {
        "order_id": "o-17",
        "product_id": "4710265849066",
        "line": 1,
        "user_id": "00001069",
        "ordered_at": "2001-03-01T09:30:00",
        "quantity": 2,
        "unit_price": 49.5,
        "amount": 99,
    },
    "events": {
        "event_id": "e-1",
        "user_id": "00001069",
        "occurred_at": "2001-03-01T09:29:00",
        "event_type": "view",
        "product_id": "4710265849066",
    },
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row that was sent: its place from 0, the rule that it breaks, and what that means."""

    row: int
    rule: str
    message: str


def storable(text: str) -> str:
    """Refuse what Postgres cannot hold."""
    if "\0" in text:
        raise ValueError("text must not hold the character NUL")
    return text


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(storable)]
UserId = Annotated[Text, Field(min_length=1)]
PYTHON: dict[str, Any] = {
    "VARCHAR": Text,
    "BIGINT": Annotated[int, Field(ge=-(2**63), lt=2**63)],
    "DOUBLE": Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)],
    "TIMESTAMP": datetime,
}


def row_model(table: Table, name: str, *left_out: str) -> type[BaseModel]:
    """The model of a row of a table under a name, without some columns."""

    def field(column: Column) -> tuple[Any, Any]:
        kind = UserId if column.name == "user_id" else PYTHON[column.type]
        if column.required:
            return kind, Field(description=column.description)
        return kind | None, Field(default=None, description=column.description)

    example = {column: value for column, value in EXAMPLES.get(table.name, {}).items() if column not in left_out}
    fields: dict[str, Any] = {c.name: field(c) for c in table.columns if c.name not in left_out}
    config = ConfigDict(extra="forbid", json_schema_extra={"example": example} if example else None)
    return create_model(name, __config__=config, __doc__=f"A row of {table.name}.", **fields)


class Judge:
    """The critical rules of the batch: of every source, and those that a person wrote for this one.

    Raises:
        PurseError: the source's file, or one of its rules, does not fit.
    """

    def __init__(self, settings: Settings) -> None:
        own, tables = OwnRules(settings), load_source(settings).tables
        # as in the batch: nothing is asked of a column that the source does not give
        given = {name: tuple(tables[name].columns) if name in tables else () for name in EXAMPLES}
        self._compiled = {name: _compiled(name, own.rules(name, columns)) for name, columns in given.items()}

    def faults(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[Fault]:
        """The faults of rows; none for an empty list.

        A key that comes twice is no fault here: the store keeps a row once by its key, whoever sends it again.
        """
        if not rows:
            return []
        posted = as_arrow(table, rows).append_column("place", pa.array(range(len(rows)), pa.int64()))
        descriptions, query = self._compiled[table.name]
        with _connection().cursor() as connection:
            connection.register("posted", posted)
            found = connection.execute(query).fetchall()
        return [Fault(place, rule, descriptions[rule]) for place, rules in found for rule in rules.split(", ")]


def untimely(table: Table, rows: Sequence[Mapping[str, Any]], first: date, latest: datetime) -> list[Fault]:
    """The faults of rows that are from the future, or of days that the release in force has already counted."""
    faults = []
    for place, row in enumerate(rows):
        moment = row[table.time]
        if moment > latest:
            late = f"{table.time} {moment} is after {latest:%Y-%m-%d %H:%M:%S}, up to which rows are taken"
            faults.append(Fault(place, "not_in_the_future", f"{late}: the shop's now and serving.max_future_seconds"))
        elif moment.date() < first:
            early = (
                f"{table.time} {moment} is before {first}: send it through the batch ('purse ingest'), which counts it"
            )
            faults.append(Fault(place, "not_before_snapshot", early))
    return faults


def as_arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows with every canonical column of the table; what a row lacks is null."""
    schema = pa.schema([(column.name, ARROW[column.type]) for column in table.columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


def to_store(table: Table, rows: Sequence[Mapping[str, Any]]) -> list[LiveRow]:
    """Rows as the store keeps them."""
    return [
        LiveRow(
            table=table.name,
            key=orjson.dumps([row[column] for column in table.key]).decode(),
            user_id=row["user_id"],
            day=row[table.time].date(),
            body=orjson.dumps(row),
        )
        for row in rows
    ]


def from_store(rows: Sequence[LiveRow]) -> dict[str, pa.Table]:
    """Kept rows by table, as the engine reads them."""
    read: dict[str, list[dict[str, Any]]] = {name: [] for name in EXAMPLES}
    for row in rows:
        time = TABLES[row.table].time
        values = orjson.loads(row.body)
        read[row.table].append({**values, time: datetime.fromisoformat(values[time])})
    return {name: as_arrow(TABLES[name], values) for name, values in read.items()}


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})  # a few rows: handing them to other threads takes longer


def _compiled(name: str, own: tuple[Rule, ...]) -> tuple[dict[str, str], str]:
    """The descriptions of a table's rules, and a query that gives place and rule of what breaks them in `posted`."""
    table = TABLES[name]
    columns = tuple(column.name for column in table.columns)
    rules = [rule for rule in (*SUITES[name](columns, Known()), *own) if rule.severity == "critical" and rule.holds]
    schema = {column.name: ARROW[column.type] for column in table.columns} | {"place": pa.int64()}
    posted = ibis.table(ibis.Schema.from_pyarrow(pa.schema(list(schema.items()))), name="posted")
    # what the batch knows of a row beyond its columns: here it was read, and copies are the store's to find
    rows = posted.mutate(fault=ibis.null("string"), **{COPY: ibis.literal(0)})
    reasons = rows.select("place", reason=broken_rules(rows, tuple(rules)))
    query = str(ibis.to_sql(reasons.filter(reasons.reason.notnull()).order_by("place"), dialect="duckdb"))
    return {rule.name: rule.description for rule in rules}, query
