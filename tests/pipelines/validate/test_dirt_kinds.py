"""Kinds of dirt that a shop's export may hold, from file to quarantine or warning: caught, named, accounted for.

The rows go through `ingest` and `validate`; the verdict of Great Expectations (in the Data Docs) and the split of the
rows (in the lake) must say the same of each.
"""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.settings import Settings, load_settings
from pipelines.validate.step import validate

START, DAYS, ORDERS = date(2024, 1, 1), 70, 40
SOURCE = """
title: Dirty shop
tables:
  order_lines:
    from:
      files: orders.csv
      # a line that breaks off misleads the detection
      options: {auto_detect: false, header: true, delimiter: ",", quotechar: '"', escapechar: '"', null_padding: true,
                columns: {id: VARCHAR, sku: VARCHAR, line: VARCHAR, customer: VARCHAR, moment: VARCHAR, n: VARCHAR,
                          price: VARCHAR, total: VARCHAR, discount: VARCHAR}}
    columns: {order_id: id, product_id: sku, line: line, user_id: customer, ordered_at: moment,
              quantity: n, unit_price: price, amount: total, discount: discount}
  users:
    from: {files: users.csv, options: {header: true}}
    columns: {user_id: customer, valid_from: "coalesce(since, '1970-01-01')", gender: gender, region: city}
  products:
    from: {files: products.csv, options: {header: true}}
    columns: {product_id: sku, category: category, list_price: price}
  events:
    from: {files: events.csv, options: {header: true}}
    columns: {event_id: id, user_id: customer, occurred_at: moment, event_type: kind, product_id: sku,
              dwell_seconds: dwell, query: query}
"""
RULES = {
    "order_lines": "rules:\n  - {column: unit_price, min: 0, max: 100, severity: warning}\n",
    "users": "rules:\n  - {column: gender, values: [f, m], severity: critical}\n",
}
LINE = {
    "id": "x",
    "sku": "p1",
    "line": "1",
    "customer": "u1",
    "moment": "2024-03-01 10:00",
    "n": "2",
    "price": "5",
    "total": "10",
    "discount": "1",
}
EVENT = {
    "id": "x",
    "customer": "u1",
    "moment": "2024-03-01 10:00",
    "kind": "view",
    "sku": "p1",
    "dwell": "9",
    "query": "",
}

# kind: table, what differs from a clean row, the critical rules that it breaks, the warnings that it breaks
DIRT = {
    "no order": ("order_lines", {"id": ""}, {"readable", "order_id_not_null"}, set()),
    "no product": ("order_lines", {"sku": ""}, {"readable", "product_id_not_null"}, set()),
    "no line": ("order_lines", {"line": ""}, {"readable", "line_not_null"}, set()),
    "no user": ("order_lines", {"customer": ""}, {"readable", "user_id_not_null"}, set()),
    "no time": ("order_lines", {"moment": ""}, {"readable", "ordered_at_not_null"}, set()),
    "no quantity": ("order_lines", {"n": ""}, {"readable", "quantity_not_null"}, set()),
    "no amount": ("order_lines", {"total": ""}, {"readable", "amount_not_null"}, set()),
    "copy of a whole line": ("order_lines", {"id": "o-3-0", "sku": "p0"}, {"first_of_its_key"}, set()),
    "negative price": ("order_lines", {"price": "-5"}, {"unit_price_not_negative"}, {"own_unit_price_from_0_to_100"}),
    "nothing bought": ("order_lines", {"n": "0", "total": "0"}, {"quantity_not_zero"}, set()),
    "bought for less than nothing": ("order_lines", {"total": "-10"}, {"amount_not_negative_when_bought"}, set()),
    "returned for a payment": ("order_lines", {"n": "-2"}, {"amount_not_positive_when_returned"}, set()),
    "price a hundred times too high": (
        "order_lines",
        {"price": "500", "total": "1000"},
        set(),
        {"own_unit_price_from_0_to_100"},
    ),
    "amount beyond reason": ("order_lines", {"total": "1e9"}, {"amount_not_impossible"}, {"amount_not_absurd"}),
    "far in the future": ("order_lines", {"moment": "2087-01-01"}, {"ordered_at_near_the_others"}, set()),
    "before the shop": ("order_lines", {"moment": "2003-01-01"}, {"ordered_at_near_the_others"}, set()),
    "before there were shops": (
        "order_lines",
        {"moment": "1899-12-30"},
        {"readable", "ordered_at_not_null"},
        set(),
    ),
    "time of no calendar": ("order_lines", {"moment": "2024-13-45"}, {"readable", "ordered_at_not_null"}, set()),
    "words for a number": ("order_lines", {"n": "two"}, {"readable", "quantity_not_null"}, set()),
    "currency in a number": ("order_lines", {"total": "€ 10"}, {"readable", "amount_not_null"}, set()),
    "not a number": ("order_lines", {"total": "NaN"}, {"readable", "amount_not_null"}, set()),
    "infinite amount": (
        "order_lines",
        {"total": "inf"},
        {"amount_finite", "amount_not_impossible"},
        {"amount_not_absurd"},
    ),
    "infinite discount": ("order_lines", {"discount": "inf"}, {"discount_finite"}, set()),
    "line that breaks off": (
        "order_lines",
        {"n": None, "price": None, "total": None, "discount": None},
        {"readable", "quantity_not_null", "amount_not_null"},
        set(),
    ),
    "product that nobody sells": ("order_lines", {"sku": "p99"}, set(), {"product_id_known"}),
    "user that nobody knows": ("order_lines", {"customer": "u99"}, set(), {"user_id_known"}),
    "user who came later": ("order_lines", {"customer": "late"}, set(), {"user_id_begun"}),
    "blank id": ("order_lines", {"customer": '"  "'}, {"user_id_not_blank"}, {"user_id_known"}),
    "id with a control character": ("order_lines", {"customer": "u1\x07"}, {"user_id_printable"}, {"user_id_known"}),
    "id with a space": ("order_lines", {"customer": '"u1 "'}, set(), {"user_id_trimmed", "user_id_known"}),
    "unknown type of event": ("events", {"kind": "teleport"}, set(), {"event_type_one_of"}),
    "negative stay": ("events", {"dwell": "-3"}, {"dwell_seconds_not_negative"}, set()),
    "milliseconds for seconds": ("events", {"dwell": "9000000"}, set(), {"dwell_seconds_at_most_a_day"}),
    "copy of an event on another day": ("events", {"id": "e-3-0"}, {"first_of_its_key"}, set()),
    "text in a wrong encoding": ("events", {"query": "KÃ¶ln"}, set(), {"query_well_encoded"}),
    "value that is none": ("users", {"customer": "odd", "gender": "?"}, {"own_gender_one_of"}, set()),
}


def write(path: Path, rows: list[dict], columns: list[str]) -> None:
    """A row whose last values are None breaks off there."""
    lines = []
    for row in rows:
        values = [row.get(column, "") for column in columns]
        lines.append(",".join(values[: values.index(None)] if None in values else values))
    path.write_text("\n".join([",".join(columns), *lines]) + "\n")


def clean_rows() -> dict[str, list[dict]]:
    rows: dict[str, list[dict]] = {"order_lines": [], "events": []}
    for day in range(DAYS):
        at = f"{START + timedelta(days=day)} 12:00"
        for n in range(ORDERS):
            some = {"customer": f"u{n % 7}", "sku": f"p{n % 5}", "moment": at}
            rows["order_lines"].append(LINE | some | {"id": f"o-{day}-{n}"})
            if (day, n) < (DAYS - 1, 4):  # tracking breaks on the last day
                rows["events"].append(EVENT | some | {"id": f"e-{day}-{n}", "dwell": str(5 + n % 10)})
    rows["users"] = [{"customer": f"u{n}", "gender": "fm"[n % 2], "city": "Köln"} for n in range(7)]
    rows["users"].append({"customer": "late", "since": "2024-03-05", "gender": "f"})
    rows["products"] = [{"sku": f"p{n}", "category": "tea", "price": "5"} for n in range(5)]
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> tuple[Settings, dict, dict]:
    """A validated shop with one row of each kind of dirt, the rows that were written, and what `validate` said."""
    folder = tmp_path_factory.mktemp("dirty")
    rows = clean_rows()
    clean = {"order_lines": LINE, "events": EVENT, "users": {"city": "Wien"}}
    for number, (table, change, _, _) in enumerate(DIRT.values()):
        rows[table].append(clean[table] | {"id": f"dirt-{number}"} | change)
    columns = {
        "order_lines": ["id", "sku", "line", "customer", "moment", "n", "price", "total", "discount"],
        "users": ["customer", "since", "gender", "city"],
        "products": ["sku", "category", "price"],
        "events": ["id", "customer", "moment", "kind", "sku", "dwell", "query"],
    }
    # out of order: nothing may depend on where a row stands in its file, but for copies
    rows["order_lines"] = rows["order_lines"][: 4 * ORDERS] + rows["order_lines"][: 4 * ORDERS - 1 : -1]
    for name, names in columns.items():
        write(folder / f"{name.replace('order_lines', 'orders')}.csv", rows[name], names)
    (folder / "shop.yaml").write_text(SOURCE)
    (folder / "expectations" / "shop").mkdir(parents=True)
    for name, text in RULES.items():
        (folder / "expectations" / "shop" / f"{name}.yaml").write_text(text)
    settings = load_settings().with_changes(
        home=str(folder / "home"), source=str(folder / "shop.yaml"), ingest__max_quarantined_share=0.2
    )
    ingest(settings)
    return settings, rows, validate(settings)


def verdict(settings: Settings, table: str) -> dict[str, int]:
    """Failing rows by rule, as Great Expectations keeps them for its page."""
    (path,) = (settings.data_docs / "results" / table).rglob("*.json")
    found = json.loads(path.read_text())["results"]
    return {
        one["expectation_config"]["meta"]["rule"]: one["result"].get("unexpected_count", 0)
        for one in found
        if not one["success"]
    }


def quarantined(settings: Settings, table: str) -> list[set[str]]:
    rows = tables.read(tables.connect(), settings, f"quarantine/{table}").to_pandas()
    return [set(reason.split(", ")) for reason in rows["reason"]]


TABLES_WITH_DIRT = ("order_lines", "events", "users")


@pytest.mark.parametrize("table", TABLES_WITH_DIRT)
def test_each_kind_is_caught_by_the_rules_named_and_by_no_other(shop, table):
    settings, _, _ = shop
    expected = sorted(sorted(critical) for of, _, critical, _ in DIRT.values() if of == table and critical)
    assert sorted(map(sorted, quarantined(settings, table))) == expected
    warnings = {rule for of, _, _, names in DIRT.values() if of == table for rule in names}
    days = {"rows_there", "volume_usual"}
    critical = {rule for of, _, rules, _ in DIRT.values() if of == table for rule in rules}
    assert {rule for rule in verdict(settings, table) if not rule.endswith("shift_usual")} - days == warnings | critical


@pytest.mark.parametrize("table", [*TABLES_WITH_DIRT, "products"])
def test_each_row_is_accounted_for(shop, table):
    settings, rows, said = shop
    counts = said.tables[table]
    assert counts.rows_in == len(rows[table]) == counts.rows_kept + counts.rows_quarantined
    kept, bad = (
        tables.read(tables.connect(), settings, f"{name}/{table}").count().execute() for name in ("raw", "quarantine")
    )
    assert (kept, bad) == (counts.rows_kept, counts.rows_quarantined)


@pytest.mark.parametrize("table", TABLES_WITH_DIRT)
def test_the_verdict_counts_the_quarantined_rows_of_each_rule(shop, table):
    settings, _, said = shop
    rows = quarantined(settings, table)
    counted = {rule: sum(rule in reasons for reasons in rows) for rule in set().union(*rows)}
    assert said.tables[table].reasons == counted
    assert {rule: verdict(settings, table)[rule] for rule in counted} == counted
    for rule in {rule for of, _, _, names in DIRT.values() if of == table for rule in names}:
        assert verdict(settings, table)[rule] == sum(rule in names for of, _, _, names in DIRT.values() if of == table)


def test_broken_tracking_is_a_warning_with_its_day(shop):
    _, _, said = shop
    (line,) = (one for one in said.warnings if one.startswith("events: rule 'volume_usual'"))
    assert "2024-03-10" in line


def test_a_far_time_does_not_move_the_snapshot(shop):
    assert shop[2].snapshot_date == START + timedelta(days=DAYS)
    assert len(DIRT) >= 20
