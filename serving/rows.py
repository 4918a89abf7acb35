"""Posted rows: request models derived from the canonical tables, and validation by the batch's critical rules.

A row that the batch would quarantine is rejected here, under the same rule name. The rules of a table are compiled to
SQL once, since compiling takes longer than running them.
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
from expectations.staged import COPY, OF_SOMEBODY, Known
from expectations.suites import SUITES, broken_rules
from features.schema import FIRST_YEAR, LAST_YEAR, TABLES, Column, Table
from pipelines.settings import Settings
from pipelines.source.definition import load_source
from pipelines.source.ids import is_nobody, nobody_in_form, text_in_form
from pipelines.source.rules import OwnRules
from serving.stores.protocol import LiveRow

LONGEST_TEXT = 200
LARGEST_NUMBER = 1e15
"""Maximum absolute value of a number: sums of larger amounts are not exact to a cent, and models overflow."""

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
    """A row that breaks a rule: its index from 0, the rule's name, and the rule's description."""

    row: int
    rule: str
    message: str


def storable(text: str) -> str:
    """Reject text that Postgres cannot store."""
    if "\0" in text:
        raise ValueError("text must not contain the character NUL")
    return text


def storable_time(moment: datetime) -> datetime:
    """Reject times that a time zone would move beyond the years that exist."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year must be from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(storable)]
UserId = Annotated[Text, Field(min_length=1)]
PYTHON: dict[str, Any] = {
    "VARCHAR": Text,
    "BIGINT": Annotated[int, Field(ge=-(2**63), lt=2**63)],
    "DOUBLE": Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)],
    "TIMESTAMP": Annotated[
        datetime,
        AfterValidator(storable_time),
        Field(description=f"ISO time, in the shop's time zone if it names none; years {FIRST_YEAR} to {LAST_YEAR}"),
    ],
}


def row_model(table: Table, name: str, *left_out: str) -> type[BaseModel]:
    """Build the model of a table's row, named `name`, without the columns `left_out`."""

    def field(column: Column) -> tuple[Any, Any]:
        kind = UserId if column.name == "user_id" else PYTHON[column.type]
        if column.required:
            return kind, Field(description=column.description)
        return kind | None, Field(default=None, description=column.description)

    example = {column: value for column, value in EXAMPLES.get(table.name, {}).items() if column not in left_out}
    fields: dict[str, Any] = {c.name: field(c) for c in table.columns if c.name not in left_out}
    config = ConfigDict(extra="forbid", json_schema_extra={"example": example} if example else None)
    return create_model(name, __config__=config, __doc__=f"A row of {table.name}.", **fields)


class RowValidator:
    """Validates rows by the critical rules of the batch: the built-in ones and those written for this source.

    Raises:
        PurseError: the source's file, or one of its rules, is invalid.
    """

    def __init__(self, settings: Settings) -> None:
        source = load_source(settings)
        self._forms, self._nobody = source.ids, nobody_in_form(source.nobody, source.ids)
        own, tables = OwnRules(settings), source.tables
        # as in the batch: no rules on columns that the source lacks
        available = {name: tuple(tables[name].columns) if name in tables else () for name in EXAMPLES}
        self._compiled = {name: _compiled(name, own.rules(name, columns)) for name, columns in available.items()}

    def in_form(self, user_id: str) -> str:
        """User id in the forms of the source, as the batch has it."""
        return text_in_form(user_id, self._forms)

    def identified(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows with their user ids in the forms of the source."""
        return [{**row, "user_id": self.in_form(row["user_id"])} for row in rows] if self._forms else list(rows)

    def faults(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[Fault]:
        """Find the faults of rows.

        A repeated key is not a fault here: the store ignores repeated rows and refuses contradicting ones.
        """
        if not rows:
            return []
        posted = as_arrow(table, rows).append_column("place", pa.array(range(len(rows)), pa.int64()))
        descriptions, query = self._compiled[table.name]
        with _connection().cursor() as connection:
            connection.register("posted", posted)
            broken = connection.execute(query).fetchall()
        faults = [Fault(place, rule, descriptions[rule]) for place, rules in broken for rule in rules.split(", ")]
        return faults + [
            Fault(place, OF_SOMEBODY, descriptions[OF_SOMEBODY])
            for place, row in enumerate(rows)
            if self._nobody and is_nobody(row["user_id"], self._nobody)
        ]


def untimely(table: Table, rows: Sequence[Mapping[str, Any]], first: date, latest: datetime) -> list[Fault]:
    """Find rows from the future, and rows of days before `first`, which the active release already counts."""
    faults = []
    for place, row in enumerate(rows):
        moment = row[table.time]
        if moment > latest:
            late = f"{table.time} {moment} is after {latest:%Y-%m-%d %H:%M:%S}"
            limit = "the shop's current time plus serving.max_future_seconds"
            faults.append(Fault(place, "not_in_the_future", f"{late}, {limit}"))
        elif moment.date() < first:
            early = f"{table.time} {moment} is before {first}: load the row by the batch ('purse ingest') instead"
            faults.append(Fault(place, "not_before_snapshot", early))
    return faults


def as_arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Convert rows to Arrow with every canonical column of the table; missing values are null."""
    schema = pa.schema([(column.name, ARROW[column.type]) for column in table.columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


def to_store(table: Table, rows: Sequence[Mapping[str, Any]]) -> list[LiveRow]:
    """Convert rows to the store's form."""
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
    """Convert stored rows to one Arrow table per canonical table, as the engine reads them."""
    values_by_table: dict[str, list[dict[str, Any]]] = {name: [] for name in EXAMPLES}
    for row in rows:
        time = TABLES[row.table].time
        values = orjson.loads(row.body)
        values_by_table[row.table].append({**values, time: datetime.fromisoformat(values[time])})
    return {name: as_arrow(TABLES[name], values) for name, values in values_by_table.items()}


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})  # a few rows: more threads would be slower


def _compiled(name: str, own: tuple[Rule, ...]) -> tuple[dict[str, str], str]:
    """Compile a table's rules: their descriptions, and a query for place and broken rules of the rows in `posted`."""
    table = TABLES[name]
    columns = tuple(column.name for column in table.columns)
    rules = [rule for rule in (*SUITES[name](columns, Known()), *own) if rule.severity == "critical" and rule.holds]
    schema = {column.name: ARROW[column.type] for column in table.columns} | {"place": pa.int64()}
    posted = ibis.table(ibis.Schema.from_pyarrow(pa.schema(list(schema.items()))), name="posted")
    # the batch's extra columns: every posted row was readable, and the store finds duplicates
    rows = posted.mutate(fault=ibis.null("string"), **{COPY: ibis.literal(0)})
    reasons = rows.select("place", reason=broken_rules(rows, tuple(rules)))
    query = str(ibis.to_sql(reasons.filter(reasons.reason.notnull()).order_by("place"), dialect="duckdb"))
    return {rule.name: rule.description for rule in rules}, query
