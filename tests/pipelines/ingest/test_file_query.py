"""A query over the rows of files: windows, joins of several files, nested JSON; checked before anything is written."""

import json

import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake

COLUMNS = {
    "order_id": "no",
    "product_id": "sku",
    "line": "pos",
    "user_id": "customer",
    "ordered_at": "at_time",
    "quantity": "qty",
    "unit_price": "price",
    "amount": "qty * price",
}


@pytest.fixture
def shop(tmp_path, settings):
    """Write files by name and a source whose order lines come from `origin`."""

    def make(origin, files, columns=None, **more):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        lines = {"from": origin, "columns": columns or COLUMNS, **more}
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": lines}}))
        return settings.with_changes(source=str(path), ingest__max_quarantined_share=1.0)

    return make


def rows(settings):
    frame = lake.read(lake.connect(), settings, "staging/order_lines").to_pandas()
    return frame.sort_values(["order_id", "line"]).reset_index(drop=True)


SHOPIFY = """Name,Email,Created at,Lineitem quantity,Lineitem sku,Lineitem price
#1,ann@example.org,2025-01-01 11:51:54 -0400,2,A,1.50
#1,,,1,B,3.00
#2,bob@example.org,2025-01-02 09:00:00 -0400,1,A,1.50
"""
ORDER_OF_EACH_LINE = """
SELECT *, "Name" AS no, "Lineitem sku" AS sku, row_number() OVER (PARTITION BY "Name" ORDER BY _line) AS pos,
  max("Email") OVER (PARTITION BY "Name") AS customer, max("Created at") OVER (PARTITION BY "Name") AS at_time,
  "Lineitem quantity" AS qty, "Lineitem price" AS price
FROM source
"""


def test_windows_repeat_fields_of_an_orders_first_line(shop, tmp_path):
    settings = shop({"files": "orders.csv", "query": ORDER_OF_EACH_LINE}, {"orders.csv": SHOPIFY})
    ingest(settings)
    found = rows(settings)
    assert found.user_id.tolist() == ["ann@example.org", "ann@example.org", "bob@example.org"]
    assert str(found.ordered_at[1]) == "2025-01-01 15:51:54"
    assert found.amount.tolist() == [3.0, 3.0, 1.5]
    assert found.source_file.unique().tolist() == [str(tmp_path / "orders.csv")]
    assert found.source_line.tolist() == [1, 2, 3]


def test_a_window_in_a_column_is_told_where_it_belongs(shop):
    columns = COLUMNS | {"order_id": "max(Name) OVER (PARTITION BY Email)"}
    settings = shop({"files": "orders.csv"}, {"orders.csv": SHOPIFY}, columns)
    with pytest.raises(PurseError, match=r"Write them in the 'query' of 'from'"):
        ingest(settings)


def test_files_are_joined_by_name(shop, tmp_path):
    files = {
        "items-1.csv": "order,pos,sku,price\n7,1,A,2.50\n",
        "items-2.csv": "order,pos,sku,price\n7,2,B,1.00\n8,1,A,2.50\n",
        "orders.csv": "order,customer_key,at_time\n7,k1,2025-03-01\n8,k2,2025-03-02\n",
        "customers.csv": "customer_key,person\nk1,ann\nk2,bob\n",
    }
    query = """SELECT i._file, i._line, i."order" AS no, pos, sku, person AS customer, at_time, 1 AS qty, price
    FROM items i JOIN orders USING ("order") JOIN customers USING (customer_key)"""
    named = {"items": "items-*.csv", "orders": ["orders.csv"], "customers": "customers.csv"}
    settings = shop({"files": named, "query": query}, files)
    ingest(settings)
    found = rows(settings)
    assert found[["order_id", "user_id", "amount"]].to_numpy().tolist() == [
        ["7", "ann", 2.5],
        ["7", "ann", 1.0],
        ["8", "bob", 2.5],
    ]
    assert found.source_file.tolist() == [str(tmp_path / f"items-{n}.csv") for n in (1, 2, 2)]
    assert found.source_line.tolist() == [1, 1, 2]


def test_nested_json_is_unnested(shop):
    orders = [
        {
            "id": 7,
            "created_at": "2025-03-01T10:00:00+01:00",
            "customer": {"id": 12345678901234567},
            "line_items": [{"sku": "A", "quantity": 2, "price": "1.50"}, {"sku": "B", "quantity": 1, "price": "3.00"}],
        },
        {"id": 8, "created_at": "2025-03-02T10:00:00+01:00", "customer": None, "line_items": []},
    ]
    query = """SELECT _file, _line, id AS no, created_at AS at_time, o.customer.id AS customer,
      unnest(line_items) AS item, generate_subscripts(line_items, 1) AS pos FROM source o"""
    columns = COLUMNS | {"product_id": "item.sku", "quantity": "item.quantity", "unit_price": "item.price"}
    columns["amount"] = "item.quantity::DOUBLE * item.price::DOUBLE"
    settings = shop({"files": "orders.json", "query": query}, {"orders.json": json.dumps(orders)}, columns)
    ingest(settings)
    found = rows(settings)
    assert found[["order_id", "line", "user_id", "product_id", "amount"]].to_numpy().tolist() == [
        ["7", 1, "12345678901234567", "A", 3.0],
        ["7", 2, "12345678901234567", "B", 3.0],
    ]


def test_a_query_without_file_and_line_says_so(shop, tmp_path):
    query = """SELECT no, sku, 1 AS pos, who AS customer, max(at_time) AS at_time, 1 AS qty, sum(p::DOUBLE) AS price
    FROM source GROUP BY ALL"""
    text = "no,sku,who,at_time,p\n1,A,ann,2025-03-01,2.00\n1,A,ann,2025-03-01,3.00\n2,A,bob,never,3.00\n"
    settings = shop({"files": "orders.csv", "query": query}, {"orders.csv": text})
    ingest(settings)
    found = rows(settings)
    assert found.amount.tolist()[0] == 5.0
    assert found.source_file[0] == f"query over {tmp_path / 'orders.csv'}"
    assert sorted(found.source_line) == [1, 2]
    assert found.fault[1].startswith("ordered_at is not a TIMESTAMP")


def test_a_join_of_all_columns_keeps_the_place_in_the_first_file(shop, tmp_path):
    files = {"a.csv": "no,sku,pos,qty,price\n7,A,1,1,2.50\n", "b.csv": "no,customer,at_time\n7,ann,2025-03-01\n"}
    query = "SELECT * FROM items JOIN orders USING (no)"
    settings = shop({"files": {"items": "a.csv", "orders": "b.csv"}, "query": query}, files)
    ingest(settings)
    assert rows(settings).source_file.tolist() == [str(tmp_path / "a.csv")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM source; SELECT 1", "'query' takes one SELECT, found SELECT, SELECT"),
        ("DROP VIEW source", "'query' takes one SELECT, found DROP"),
        ("COPY source TO 'x.csv'", "'query' takes one SELECT, found COPY"),
        ("SET threads = 1", "'query' takes one SELECT, found"),
        ("ATTACH 'x.duckdb'", "'query' takes one SELECT, found ATTACH"),
        ("-- nothing", "'query' takes one SELECT, found no statement"),
        ("SELECT FROM WHERE", "is not SQL of DuckDB: Parser Error"),
        (
            "SELECT * FROM orders",
            r"Table with name orders does not exist.*The table 'source' has no, who, _file, _line",
        ),
        ("SELECT whom FROM source", r'Referenced column "whom" not found.*The table .source. has no, who'),
        ("SELECT who::INT FROM source", r"the query fails: .*Conversion Error.*values are left out"),
        ("SELECT * FROM read_text('secret.txt')", "Permission Error"),
        ("SELECT * FROM 'https://localhost:1/x.csv'", "(?s)Permission Error|Catalog Error"),
        ("SELECT * FROM query('COPY (SELECT 1) TO ''written''')", "the query fails"),
    ],
)
def test_a_query_that_does_not_fit_stops_before_anything_is_written(shop, tmp_path, query, message):
    (tmp_path / "secret.txt").write_text("TOP-SECRET-91")
    settings = shop({"files": "orders.csv", "query": query}, {"orders.csv": "no,who\n1,ann@example.org\n"})
    with pytest.raises(PurseError, match=message) as caught:
        ingest(settings)
    assert "tables.order_lines.from" in str(caught.value)
    assert "ann@example.org" not in str(caught.value)
    assert not lake.exists(settings, "staging/order_lines")


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"files": {"a": "a.csv"}}, "'files' with names need a 'query'"),
        ({"files": {"a b": "a.csv"}, "query": "SELECT 1"}, "expected names of letters"),
        ({"files": {"a": "a.csv", "A": "b.csv"}, "query": "SELECT 1"}, "differ only in case"),
        ({"sql": "SELECT 1", "connection": "x", "query": "SELECT 1"}, "'query' is for files"),
        ({"files": {"a": "missing.csv"}, "query": "SELECT 1"}, "matches nothing"),
    ],
)
def test_named_files_are_checked(shop, origin, message):
    with pytest.raises(PurseError, match=message):
        ingest(shop(origin, {"a.csv": "x\n1\n"}))
