"""Ids to look at: forms of one user's id, ids that mean nobody, tests, and one id with a large share of all rows.

The table `odd_ids` of the lake names the ids, for the page Trust; warnings count them, since results hold no user ids.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import chain, combinations
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from duckdb import DuckDBPyRelation
from ibis.backends.duckdb import Backend

from pipelines.lake import tables
from pipelines.lake.names import ODD_IDS
from pipelines.lake.sql import literal
from pipelines.settings import Settings
from pipelines.source.ids import FORMS, NOBODY, PLAIN, TEST, TEST_PRODUCT, Form, in_form

MOST_NAMED = 20
"""Ids of each kind in the table."""

MIN_USERS, USUAL, TIMES_USUAL = 20, 0.95, 5
"""Least number of users whose rows are compared, the quantile that is usual, and the least multiple of it."""

FROM_ZERO = ("0", "-1")
"""Ids of `NOBODY` that may be a user's where ids are counted from zero: they are nobody's if they have many rows."""

TEXT = ("table", "kind", "odd_id", "same_as")
SCHEMA = pa.schema(
    {name: pa.string() for name in TEXT} | {"rows": pa.int64(), "amount": pa.float64(), "day": pa.date32()}
)


class Found(NamedTuple):
    """Ids of one kind: the table whose warnings name them, a warning, and rows for `odd_ids`."""

    table: str
    warning: str
    rows: list[dict[str, Any]]


def find_odd_ids(settings: Settings, connection: Backend) -> dict[str, list[str]]:
    """Look at the ids of all validated rows; write `odd_ids`, and return warnings by table."""
    there = [name for name in ("order_lines", "events", "users") if tables.exists(settings, f"raw/{name}")]
    held = tables.hold(connection, *(_counted(settings, connection, name) for name in there))
    users = connection.con.table(held.get_name())
    found = list(_forms(users, there[0]))
    for name in there:
        found += _of_table(settings, users.filter(f'"table" = {literal(name)}'), name) if name != "users" else []
    found += _test_orders(connection.con.sql(connection.compile(_odd_orders(settings, connection))))
    tables.release(connection, held)
    rows = [{"day": tables.UNDATED} | row for one in found for row in one.rows]
    if rows or tables.exists(settings, ODD_IDS):
        written = pa.Table.from_pylist(rows, SCHEMA)
        tables.replace(settings, ODD_IDS, written, "day", tables.UNDATED, date.max)
    return {name: [one.warning for one in found if one.table == name] for name in there}


def _counted(settings: Settings, connection: Backend, name: str) -> ir.Table:
    """Rows and absolute money of each user of a table."""
    rows = tables.read(connection, settings, f"raw/{name}")
    money = rows.amount.abs().sum() if "amount" in rows.columns else ibis.literal(0.0)
    found = rows.group_by(odd_id=rows.user_id).aggregate(rows=rows.count(), amount=money)
    return found.filter(found.odd_id.notnull()).select("odd_id", "rows", "amount", table=ibis.literal(name))


def _forms(users: DuckDBPyRelation, name: str) -> Iterator[Found]:
    """Ids of any table that would be one in a form, or in the fewest forms that together make most of them one."""
    most, together = 0, None
    for forms in chain.from_iterable(combinations(FORMS, count) for count in range(1, len(FORMS) + 1)):
        kind = forms[0] if len(forms) == 1 else "together"
        merged, found = _in_form(users, name, forms, kind)
        if merged and kind != "together":
            yield found
        elif merged > most:
            together = found
        most = max(most, merged)
    if together:
        yield together


def _in_form(users: DuckDBPyRelation, name: str, forms: Sequence[Form], kind: str) -> tuple[int, Found]:
    """Count the ids that forms would merge into others."""
    formed = users.project(f"*, {in_form('odd_id', forms)} AS same_as").set_alias("formed")
    changed = formed.filter("same_as <> odd_id").project("same_as").set_alias("changed")  # each group has one
    groups = formed.join(changed, "same_as", how="semi").aggregate("same_as, min(odd_id) < max(odd_id) AS several")
    several = groups.filter("several").project("same_as").set_alias("several")
    same = formed.join(several, "same_as", how="semi")
    ids, people, rows, amount, where = same.aggregate(
        "count(DISTINCT odd_id), count(DISTINCT same_as), sum(rows), sum(amount), "
        'string_agg(DISTINCT "table", \', \' ORDER BY "table")'
    ).fetchall()[0]
    if not ids:
        return 0, Found(name, "", [])
    return ids - people, Found(
        name,
        f"{where}: {ids:,} user ids would be {people:,} with 'ids: [{', '.join(forms)}]' in the source file; they have "
        f"{rows:,} rows{_worth(amount)}. The page Trust shows examples",
        _rows(same, kind, "same_as, odd_id"),
    )


def _of_table(settings: Settings, users: DuckDBPyRelation, name: str) -> Iterator[Found]:
    count, total, amount, usual = users.aggregate(
        f"count(*), sum(rows), sum(amount), quantile_disc(rows, {USUAL})"
    ).fetchall()[0]
    compared = count >= MIN_USERS
    plain, several = in_form("odd_id", PLAIN), f"rows > {usual if compared else 0}"
    nobody = f"{plain} IN ({_listed(NOBODY)}) AND ({plain} NOT IN ({_listed(FROM_ZERO)}) OR {several})"
    if rows := _rows(users.filter(nobody), "nobody"):
        yield Found(name, _nobodys(name, rows, total, amount), rows)
    people = users.filter(f"NOT ({nobody})")
    tests = people.filter(f"regexp_matches(lower(odd_id), {literal(TEST)})")
    if rows := _rows(tests, "test"):
        ids, lines, money = tests.aggregate("count(*), sum(rows), sum(amount)").fetchall()[0]
        yield Found(
            name,
            f"{name}: {ids:,} {'user id looks' if ids == 1 else 'user ids look'} like a test, with {lines:,} "
            f"{'row' if lines == 1 else 'rows'}{_worth(money)}. The page Trust "
            "names them; 'nobody' in the source file leaves them out",
            rows,
        )
    if not compared:
        return
    least = max(settings.ingest.max_user_share * total, TIMES_USUAL * usual)
    for row in _rows(people.filter(f"rows > {least}"), "large"):
        yield Found(
            name,
            f"{name}: one user id has {row['rows']:,} of {total:,} rows ({row['rows'] / total:.1%}), "
            f"{row['rows'] / usual:,.0f} times the {USUAL:.0%} quantile{_worth(row['amount'])}: a bot, or an account "
            "that many use? The page Trust names it; 'nobody' in the source file leaves it out",
            [row],
        )


def _nobodys(name: str, rows: list[dict[str, Any]], total: int, amount: float) -> str:
    """Warning of ids that usually mean nobody; they are no one's, so that it names them."""
    share, money = sum(row["rows"] for row in rows) / total, sum(row["amount"] for row in rows)
    worth = f", worth about {money:,.2f} ({money / amount:.1%} of money)" if amount else ""
    names = [row["odd_id"] for row in rows]
    return (
        f"{name}: {', '.join(map(repr, names))} {'look' if len(names) > 1 else 'looks'} like nobody's id, with "
        f"{share:.1%} of all rows{worth}. If so, write nobody: {names} in the source file"
    )


def _odd_orders(settings: Settings, connection: Backend) -> ir.Table:
    """Orders that try the shop out, by their id or that of a product."""
    lines = tables.read(connection, settings, "raw/order_lines")
    tests = lines.order_id.lower().re_search(TEST) | lines.product_id.lower().re_search(TEST_PRODUCT)
    lines = lines.filter(tests)
    orders = lines.group_by(odd_id=lines.order_id)
    return orders.aggregate(rows=lines.count(), amount=lines.amount.abs().sum(), table=ibis.literal("order_lines"))


def _test_orders(orders: DuckDBPyRelation) -> Iterator[Found]:
    if rows := _rows(orders, "test_order"):
        count, money = orders.aggregate("count(*), sum(amount)").fetchall()[0]
        yield Found(
            "order_lines",
            f"order_lines: {count:,} {'order looks' if count == 1 else 'orders look'} like a test by the id of the "
            f"order or product{_worth(money)}. The page Trust names them; 'where' in the source file leaves them out",
            rows,
        )


def _rows(ids: DuckDBPyRelation, kind: str, order: str = "rows DESC, odd_id") -> list[dict[str, Any]]:
    """First rows of some ids, for the table."""
    same_as = "same_as" if "same_as" in ids.columns else "NULL"
    named = ids.order(order).limit(MOST_NAMED).project(f'"table", odd_id, {same_as} AS same_as, rows, amount')
    return [{"kind": kind, **row} for row in named.to_arrow_table().to_pylist()]


def _listed(ids: Collection[str]) -> str:
    return ", ".join(map(literal, sorted(ids)))


def _worth(amount: float) -> str:
    return f", worth about {amount:,.2f}" if amount else ""
