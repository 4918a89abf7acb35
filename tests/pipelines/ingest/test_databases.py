"""Rows of databases: exact ids, types of whole columns, SQL as written, and one sentence for each failure."""

import datetime
import sqlite3
import uuid
from decimal import Decimal

import duckdb
import pytest
import sqlalchemy
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.database import query
from pipelines.ingest.fetched import store
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake
from tests.serving.servers import postgres_server

NOON = datetime.datetime(2025, 1, 2, 12, tzinfo=datetime.UTC)


def fetched(*parts):
    return store(duckdb.connect(), "fetched", [f"c{n}" for n in range(len(parts[0][0]))], parts)


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([17873, None], "BIGINT", [17873, None]),
        ([2**53 + 1, None, 2**53], "BIGINT", [2**53 + 1, None, 2**53]),
        ([10**30 + 1, None], "HUGEINT", [10**30 + 1, None]),
        ([10**45], "VARCHAR", ["1" + "0" * 45]),
        ([1, 2.5, None], "DOUBLE", [1.0, 2.5, None]),
        ([2**60 + 1, 2.5, 17850.0], "VARCHAR", [str(2**60 + 1), "2.5", "17850"]),
        ([17850, "A1", 17851.0], "VARCHAR", ["17850", "A1", "17851"]),
        ([Decimal("1.50"), Decimal("-200"), 3], "DECIMAL(5,2)", [Decimal("1.50"), Decimal("-200.00"), Decimal("3.00")]),
        ([Decimal("1e-40")], "VARCHAR", [format(Decimal("1e-40"), "f")]),
        ([Decimal("NaN"), Decimal("1.5")], "DOUBLE", None),
        ([True, None], "BOOLEAN", [True, None]),
        ([datetime.date(2025, 1, 2)], "DATE", [datetime.date(2025, 1, 2)]),
        ([datetime.datetime(2025, 1, 2, 3, 4, 5, 6000)], "TIMESTAMP", [datetime.datetime(2025, 1, 2, 3, 4, 5, 6000)]),  # noqa: DTZ001
        ([NOON, "infinity"], "VARCHAR", ["2025-01-02 12:00:00+00:00", "infinity"]),
        ([uuid.UUID(int=7)], "VARCHAR", [str(uuid.UUID(int=7))]),
        ([{"a": [1, "ü"]}, None], "VARCHAR", ['{"a": [1, "ü"]}', None]),
        ([b"ann", b"\xff\x00"], "VARCHAR", ["ann", "ff00"]),
        ([None], "VARCHAR", [None]),
    ],
)
def test_a_column_has_the_type_of_all_its_values(values, kind, found):
    rows = fetched(*([(value,)] for value in values))  # each value comes in a part of its own
    assert str(rows.types[0]) == kind
    assert found is None or [value for (value,) in rows.fetchall()] == found


def test_times_with_a_zone_stay_instants():
    rows = fetched([(NOON,)])
    assert str(rows.types[0]) == "TIMESTAMP WITH TIME ZONE"


def test_columns_of_one_name_are_told_apart():
    assert store(duckdb.connect(), "fetched", ["id", "ID", "order"], [[(1, 2, 3)]]).columns == ["id", "ID_1", "order"]


COLUMNS = {
    "order_id": "ord",
    "product_id": "sku",
    "line": "pos",
    "user_id": "customer",
    "ordered_at": "created",
    "quantity": "qty",
    "unit_price": "price",
    "amount": "qty * price",
}


@pytest.fixture
def shop(tmp_path, settings):
    def make(sql, url):
        path = tmp_path / "shop.yaml"
        lines = {"from": {"sql": sql, "connection": url}, "columns": COLUMNS}
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": lines}}))
        return settings.with_changes(source=str(path), ingest__max_quarantined_share=1.0)

    return make


def rows(settings):
    frame = lake.read(lake.connect(), settings, "staging/order_lines").to_pandas()
    return frame.sort_values("order_id").reset_index(drop=True)


@pytest.fixture
def sqlite(tmp_path):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE lines (ord, pos INT, sku TEXT, customer INT, created TEXT, qty, price)")
        values = [
            (1, 1, "A", 2**53 + 1, "2025-01-02", 2, 1.5),
            (2, 1, "100%", 2**53, "2025-01-02 10:00:00", 1, 3),
            (3, 1, "B:x", None, "2025-01-03", 1, 3),
        ]
        connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_ids_beside_a_null_stay_what_they_are(shop, sqlite):
    settings = shop("SELECT * FROM lines WHERE sku NOT LIKE ':y%'", sqlite)
    ingest(settings)
    found = rows(settings)
    assert found.user_id.tolist()[:2] == [str(2**53 + 1), str(2**53)]
    assert found.order_id.tolist() == ["1", "2", "3"]
    assert found.amount.tolist() == [3.0, 3.0, 3.0]
    assert "user_id is not a VARCHAR" in found.fault[2]


@pytest.mark.parametrize(
    ("sql", "url", "message"),
    [
        ("SELECT * FROM linez", None, "the query failed: OperationalError: .*no such table: linez"),
        ("SELECT colour FROM lines", None, "the query failed: OperationalError: .*no such column: colour"),
        ("SELECT * FRM lines", None, "the query failed: OperationalError: .*syntax error"),
        ("SELECT 1", "sqlite:////no/such/folder/shop.db", "the query failed: .*unable to open database file"),
        ("SELECT 1", "mysql+nosuchdriver://a@127.0.0.1/x", "the query failed|driver of 'mysql.nosuchdriver'"),
        ("SELECT 1", "mysql+mysqldb://a:TOP-SECRET@127.0.0.1/x", "the driver of 'mysql.mysqldb' is not installed"),
    ],
)
def test_a_failure_is_one_sentence(shop, sqlite, sql, url, message):
    settings = shop(sql, url or sqlite)
    with pytest.raises(PurseError, match=message) as caught:
        ingest(settings)
    assert "\n" not in str(caught.value)
    assert "TOP-SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__


TABLE = """CREATE TABLE lines (ord numeric(20,0), pos int, sku text, customer uuid, created timestamptz, qty int,
price numeric(10,2), extra jsonb, tags text[], ends timestamptz)"""
VALUES = """INSERT INTO lines VALUES (12345678901234567890, 1, 'S%', '00000000-0000-0000-0000-000000000007',
'2025-01-02 03:00+02', 2, 1.50, '{"a": [1]}', '{x,y}', 'infinity'),
(2, 2, 'TEST', NULL, '2025-01-02', 1, NULL, NULL, NULL, '2025-01-02')"""


@pytest.fixture(scope="module")
def postgres():
    with postgres_server() as server:
        url = server.replace("postgresql:", "postgresql+psycopg:")
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            for statement in (TABLE, VALUES, "CREATE ROLE reader LOGIN PASSWORD 'x'"):
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        yield url


def test_a_postgres_tables_types_are_read(shop, postgres):
    settings = shop("SELECT * FROM lines WHERE sku LIKE 'S%' AND sku !~ '^(?:TEST|X)' AND pos::int = 1;", postgres)
    ingest(settings)
    (found,) = rows(settings).to_dict("records")
    assert found["order_id"] == "12345678901234567890"
    assert found["user_id"] == "00000000-0000-0000-0000-000000000007"
    assert str(found["ordered_at"]) == "2025-01-02 01:00:00"
    assert found["amount"] == 3.0


def test_values_that_python_lacks_come_as_text(postgres):
    found = query(duckdb.connect(), "SELECT ends, extra, tags FROM lines ORDER BY pos", postgres, "x").fetchall()
    assert found[0] == ("infinity", '{"a": [1]}', '["x", "y"]')


@pytest.mark.parametrize(
    ("sql", "change", "message"),
    [
        ("SELECT * FROM linez", ("", ""), 'UndefinedTable. relation "linez" does not exist'),
        ("SELECT * FROM lines", ("purse@", "reader:x@"), "permission denied for table lines"),
        ("SELECT 1/0", ("", ""), "DataError .a value does not fit its type; values are left out"),
        ("SELECT 1", ("/postgres", "/nosuch"), 'database "nosuch" does not exist'),
        ("SELECT 1", ("purse@", "nobody:TOP-SECRET@"), 'role "nobody" does not exist'),
    ],
)
def test_a_failure_of_postgres_is_one_sentence(shop, postgres, sql, change, message):
    with pytest.raises(PurseError, match=message) as caught:
        ingest(shop(sql, postgres.replace(*change)))
    assert "\n" not in str(caught.value)
    assert "TOP-SECRET" not in str(caught.value)
