"""Ids to look at: forms of one user's id, ids that mean nobody, tests, and one id with a large share of all rows.

The table `odd_ids` of the lake names the ids, for the page Trust; warnings count them, since results hold no user ids.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import duckdb
import ibis
import pyarrow as pa
from duckdb import DuckDBPyRelation
from ibis.backends.duckdb import Backend

from pipelines.lake import tables
from pipelines.lake.names import ODD_IDS
from pipelines.lake.sql import literal
from pipelines.settings import Settings
from pipelines.source.ids import FORMS, NOBODY, TEST

MOST_NAMED = 20
"""Ids of each kind in the table."""

LARGE_SHARE, TIMES_THE_OTHERS, MIN_USERS = 0.02, 5, 50
"""Least share of a table's rows of one id, as a multiple of the 99th percentile too, and least number of users."""

TEXT = ("table", "kind", "user_id", "same_as")
SCHEMA = pa.schema(
    {name: pa.string() for name in TEXT} | {"rows": pa.int64(), "amount": pa.float64(), "day": pa.date32()}
)


class Found(NamedTuple):
    """Ids of one kind in a table: a warning, and rows for `odd_ids`."""

    warning: str
    rows: list[dict[str, Any]]


def find_odd_ids(settings: Settings, connection: Backend) -> dict[str, list[str]]:
    """Look at the users of the validated orders and events; write `odd_ids`, and return warnings by table."""
    found = {
        name: list(_of_table(settings, connection, name))
        for name in ("order_lines", "events")
        if tables.exists(settings, f"raw/{name}")
    }
    rows = [
        {"table": name, "day": tables.UNDATED} | row for name, some in found.items() for one in some for row in one.rows
    ]
    if rows or tables.exists(settings, ODD_IDS):
        written = pa.Table.from_pylist(rows, SCHEMA)
        tables.replace(settings, ODD_IDS, written, "day", tables.UNDATED, date.max)
    return {name: [one.warning for one in some] for name, some in found.items()}


def _of_table(settings: Settings, connection: Backend, name: str) -> Iterator[Found]:
    rows = tables.read(connection, settings, f"raw/{name}")
    money = rows.amount.abs().sum() if "amount" in rows.columns else ibis.literal(0.0)
    users = rows.group_by("user_id").aggregate(rows=rows.count(), amount=money).to_pyarrow()
    with duckdb.connect() as query:
        ids = query.from_arrow(users).filter("user_id IS NOT NULL")
        total, amount = ids.aggregate("sum(rows), sum(amount)").fetchall()[0]
        for form in FORMS:
            yield from _forms(ids, name, form)
        yield from _nobody(ids, name, total, amount)
        yield from _tests(ids, name)
        yield from _large(ids, name, total)


def _forms(users: DuckDBPyRelation, name: str, form: str) -> Iterator[Found]:
    """Ids that would be one in a form."""
    formed = users.project(f"*, {FORMS[form].format('user_id')} AS same_as")
    same = formed.project("*, count(*) OVER (PARTITION BY same_as) AS ids").filter("ids > 1")
    ids, people, rows, amount = same.aggregate("count(*), count(DISTINCT same_as), sum(rows), sum(amount)").fetchall()[
        0
    ]
    if ids:
        yield Found(
            f"{name}: {ids:,} user ids would be {people:,} with 'ids: [{form}]' in the source file; they have "
            f"{rows:,} rows{_worth(amount)}. The page Trust shows examples",
            _rows(same, form, "same_as, user_id"),
        )


def _nobody(users: DuckDBPyRelation, name: str, total: int, amount: float) -> Iterator[Found]:
    """Ids that usually mean nobody; they are no one's, so that the warning names them."""
    known = ", ".join(literal(one) for one in sorted(NOBODY))
    rows = _rows(
        users.filter(f"lower(trim(user_id)) IN ({known}) OR regexp_matches(user_id, '^0+([.]0+)?$')"), "nobody"
    )
    if rows:
        share = sum(row["rows"] for row in rows) / total
        money = sum(row["amount"] for row in rows)
        worth = f", worth about {money:,.2f} ({money / amount:.1%} of money)" if amount else ""
        names = [row["user_id"] for row in rows]
        yield Found(
            f"{name}: {', '.join(map(repr, names))} {'look' if len(names) > 1 else 'looks'} like nobody's id, with "
            f"{share:.1%} of all rows{worth}. If so, write nobody: {names} in the source file",
            rows,
        )


def _tests(users: DuckDBPyRelation, name: str) -> Iterator[Found]:
    """Ids of people who try the shop out."""
    rows = _rows(users.filter(f"regexp_matches(lower(user_id), {literal(TEST)})"), "test")
    if rows:
        count, amount = sum(row["rows"] for row in rows), sum(row["amount"] for row in rows)
        yield Found(
            f"{name}: {len(rows):,} user ids look like tests; they have {count:,} rows{_worth(amount)}. The page Trust "
            "names them; 'nobody' in the source file leaves them out",
            rows,
        )


def _large(users: DuckDBPyRelation, name: str, total: int) -> Iterator[Found]:
    """An id with a share of the rows that no person has: a bot, a till, an account that many use."""
    count, usual = users.aggregate("count(*), quantile_disc(rows, 0.99)").fetchall()[0]
    if count < MIN_USERS:
        return
    for row in _rows(users.filter(f"rows >= {max(LARGE_SHARE * total, TIMES_THE_OTHERS * usual)}"), "large"):
        yield Found(
            f"{name}: one user id has {row['rows']:,} of {total:,} rows ({row['rows'] / total:.1%}), "
            f"{row['rows'] / usual:,.0f} times the 99th percentile{_worth(row['amount'])}: a bot, or an account that "
            "many use? The page Trust names it; 'nobody' in the source file leaves it out",
            [row],
        )


def _rows(users: DuckDBPyRelation, kind: str, order: str = "rows DESC, user_id") -> list[dict[str, Any]]:
    """First rows of some users, for the table."""
    same_as = "same_as" if "same_as" in users.columns else "NULL"
    named = users.order(order).limit(MOST_NAMED).project(f"user_id, {same_as} AS same_as, rows, amount")
    return [{"kind": kind, **row} for row in named.to_arrow_table().to_pylist()]


def _worth(amount: float) -> str:
    return f", worth about {amount:,.2f}" if amount else ""
