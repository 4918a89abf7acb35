"""Features of single users, computed by the batch's queries over the history and the live rows.

Ibis compiles the SQL once per snapshot date; each call runs it on the rows of the requested users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from features import sequences
from features.build import build
from features.daily.events import catalogued_events
from features.daily.orders import PRICE_REFERENCE_DAYS, categorised_lines, category_prices
from features.daily.tables import DAILY, USER_EVENT_DAY
from features.definitions import available, of_attributes
from features.schema import TABLES, USERS
from pipelines.lake.sql import literal

TYPES = {"VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us"), "DOUBLE": pa.float64(), "BIGINT": pa.int64()}
LIVE = ("order_lines", "events", "users")


@dataclass(frozen=True)
class Statements:
    """Compiled SQL of one snapshot date.

    Attributes:
        daily: query per table: its rows of the requested users.
        buyers: query for the features of users with orders.
        others: query for the features of users without orders; None if the source has neither users nor events.
    """

    daily: Mapping[str, str]
    buyers: str
    others: str | None


class LiveFeatures:
    """Computes features over a history; not thread-safe."""

    def __init__(self, path: Path, columns: Sequence[str], names: Sequence[str], snapshot_date: date) -> None:
        """Open a history.

        Args:
            path: file written by `serving.release.history`.
            columns: columns of the source, such as "order_lines.amount".
            names: features and channels of the model, in order.
            snapshot_date: exclusive end of the history; live rows start on this day.

        Raises:
            ValueError: a feature is not defined, or needs other columns.
        """
        given = available(set(columns))
        channels = sequences.available(set(columns))
        missing = set(names) - {feature.name for feature in given} - {channel.name for channel in channels}
        if missing:
            raise ValueError(
                f"Expected the model's {len(names)} features to be defined, found {len(missing)} that are not, first "
                f"'{min(missing)}'. Start the version of Purse that trained the model, or train a new one."
            )
        self._names, self.snapshot_date = list(names), snapshot_date
        self._features = [feature for feature in given if feature.name in names]
        self._channels = [channel for channel in channels if channel.name in names]
        self._attributes = of_attributes(given)
        self._statements: dict[date, Statements] = {}
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute(f"ATTACH {literal(path)} AS history (READ_ONLY)")
        self._tables = self._history_tables()
        self.close_days(_canonical("order_lines", None))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def compute(
        self, rows: Mapping[str, pa.Table], snapshot_date: date, user_ids: Sequence[str]
    ) -> tuple[pa.Table, pa.Table | None]:
        """Features of users with orders and of users without, each ordered by user_id.

        See `serving.engine.engine.Engine.score`.
        """
        if snapshot_date < self.snapshot_date:
            raise ValueError(
                f"Expected a snapshot date from {self.snapshot_date} on, found {snapshot_date}: the history ends there."
            )
        live = {name: _canonical(name, rows.get(name)) for name in LIVE}
        self._connection.register("requested", pa.table({"user_id": pa.array(list(user_ids), pa.string())}))
        for name, table in live.items():
            self._connection.register(f"live_{name}", table)
        self._reject_old_rows(live)
        statements = self._compiled(snapshot_date)
        for name, sql in statements.daily.items():
            self._materialise(f"selected_{name}", sql)
        buyers = self._materialise("buyers", statements.buyers).to_arrow_table()
        if statements.others is None or buyers.num_rows == len(set(user_ids)):
            return buyers, None
        return buyers, self._materialise("others", statements.others).to_arrow_table()

    def close_days(self, order_lines: pa.Table) -> None:
        """See `serving.engine.engine.Engine.close_days`."""
        self._connection.register("closed_order_lines", _canonical("order_lines", order_lines))
        lines = categorised_lines(self._live("order_lines", "closed_order_lines"), self._tables.get("products"))
        closed = category_prices(lines.filter(lines.day >= self.snapshot_date))
        self._materialise("closed_prices", _sql(closed))

    def _materialise(self, name: str, sql: str) -> duckdb.DuckDBPyRelation:
        """Store a query's rows in a temporary table: DuckDB plans a relation twice, which takes most of the time."""
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
        return self._connection.table(name)

    def _compiled(self, snapshot_date: date) -> Statements:
        if snapshot_date not in self._statements:
            latest = list(self._statements.items())[-1:]
            self._statements = {**dict(latest), snapshot_date: self._compile(snapshot_date)}
        return self._statements[snapshot_date]

    def _compile(self, snapshot_date: date) -> Statements:
        stages = self._daily(snapshot_date)
        selected = {name: ibis.table(rows.schema(), name=f"selected_{name}") for name, rows in stages.items()}
        buyers = build(selected, snapshot_date, self._features, self._channels)
        others = None
        if {USERS.name, USER_EVENT_DAY.name} & set(selected):
            others = _sql(
                build(selected, snapshot_date, self._attributes, population="without_orders").order_by("user_id")
            )
        return Statements(
            daily={name: _sql(rows) for name, rows in stages.items()},
            buyers=_sql(buyers.select("user_id", *self._names).order_by("user_id")),
            others=others,
        )

    def _daily(self, snapshot_date: date) -> dict[str, ir.Table]:
        """Daily rows of the requested users, from the history and from live rows."""
        requested = ibis.table({"user_id": "string"}, name="requested")
        stages = {}
        for daily in DAILY:
            if daily.name not in self._tables:
                continue
            describe = categorised_lines if daily.log == "order_lines" else catalogued_events
            rows = describe(self._live(daily.log, f"live_{daily.log}"), self._tables.get("products"))
            rows = rows.filter(rows.day < snapshot_date)
            since = daily.reduce(rows, self._prices(rows)) if daily.priced else daily.reduce(rows)
            past = self._tables[daily.name].semi_join(requested, "user_id")
            stages[daily.name] = past.union(since.select(*past.columns))
        if "users" in self._tables:
            past = self._tables["users"].semi_join(requested, "user_id")
            live = self._live("users", "live_users")
            stages["users"] = past.union(live.select(*past.columns))
        return stages

    def _prices(self, rows: ir.Table) -> ir.Table:
        """Prices to compare these rows with: their categories and the days before them only."""
        known = self._tables["prices"].union(ibis.table(self._tables["prices"].schema(), name="closed_prices"))
        first_day = rows.day.min().as_scalar() - ibis.interval(days=PRICE_REFERENCE_DAYS)
        return known.filter(known.day >= first_day).semi_join(rows, "category")

    def _live(self, name: str, registered: str) -> ir.Table:
        return ibis.table(ibis.Schema.from_pyarrow(_schema(name)), name=registered)

    def _history_tables(self) -> dict[str, ir.Table]:
        """Tables of the history, unbound."""
        tables = {}
        for (name,) in self._connection.execute("SHOW TABLES FROM history").fetchall():
            schema = self._connection.table(f"history.{name}").limit(0).to_arrow_table().schema
            tables[name] = ibis.table(ibis.Schema.from_pyarrow(schema), name=name, catalog="history", database="main")
        return tables

    def _reject_old_rows(self, live: Mapping[str, pa.Table]) -> None:
        """Raise on rows of days before the snapshot for users with history, which would count them twice."""
        for daily in DAILY:
            if daily.name not in self._tables:
                continue
            old = live[daily.log].filter(pc.less(live[daily.log]["day"], self.snapshot_date))
            if not old.num_rows:
                continue
            self._connection.register("old", old)
            twice = self._live(daily.log, "old").semi_join(self._tables[daily.name], "user_id")
            duplicate = self._connection.sql(_sql(twice.select("user_id").limit(1))).fetchall()
            if duplicate:
                raise ValueError(
                    f"Expected rows of {daily.log} from {self.snapshot_date} on, found an earlier one of user "
                    f"'{duplicate[0][0]}', whose history already has these days. Load the row into the lake: the next "
                    "release includes it."
                )


def _schema(name: str) -> pa.Schema:
    return pa.schema([(column.name, TYPES[column.type]) for column in TABLES[name].columns] + [("day", pa.date32())])


def _canonical(name: str, rows: pa.Table | None) -> pa.Table:
    """Rows with every canonical column and the day; missing columns are null."""
    schema = _schema(name)
    if rows is None:
        return schema.empty_table()
    missing = pa.nulls(rows.num_rows)
    given = {column: rows[column] if column in rows.column_names else missing for column in schema.names[:-1]}
    given["day"] = given[TABLES[name].time].cast(pa.timestamp("us")).cast(pa.date32())
    return pa.table(given).cast(schema)


def _sql(table: ir.Table) -> str:
    return str(ibis.to_sql(table, dialect="duckdb", pretty=False))
