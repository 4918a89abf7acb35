"""A source's SQL reads the source's own files and nothing else, and no error quotes rows or passwords."""

import sqlite3
import traceback
from pathlib import Path

import duckdb
import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.lock import lock
from pipelines.ingest.step import ingest
from pipelines.lake import tables
from pipelines.source.definition import load_source
from pipelines.validate.proposals import propose
from pipelines.validate.step import validate
from tests.samples import COLUMNS

SECRET = "TOP-SECRET-91"  # noqa: S105 - no password
PERSON = "ann@example.org"
CSV = f"no,who,what,moment,n,price\n1,{PERSON},apple,2024-03-05,2,1.50\n2,bob,pear,2024-03-06,1,3.00\n"


@pytest.fixture
def secret(tmp_path):
    """A file beside the source that no origin names."""
    path = tmp_path / "secret.txt"
    path.write_text(f"password\n{SECRET}\n")
    return path


@pytest.fixture
def shop(tmp_path, settings):
    """Write a shop's files and its source; keywords of `order_lines` in `table`, others on top."""

    def make(table=None, text=CSV, name="orders.csv", **top):
        (tmp_path / name).write_text(text)
        order_lines = {"from": {"files": name}, "columns": COLUMNS} | (table or {})
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": order_lines}, **top}))
        return settings.with_changes(source=str(path), ingest__max_quarantined_share=1.0)

    return make


def refused(step, *arguments, match="") -> str:
    """Everything that a log could show of a step's error, chained errors included."""
    with pytest.raises(PurseError, match=match or None) as caught:
        step(*arguments)
    shown = "".join(traceback.format_exception(caught.value.__class__, caught.value, None))
    assert SECRET not in shown
    return shown


READING = (
    "(SELECT content FROM read_text('{secret}'))",
    "(SELECT content::VARCHAR FROM read_blob('{secret}'))",
    "(SELECT content FROM read_text('{folder}/*.txt') LIMIT 1)",
    "(SELECT content FROM read_text('{folder}/orders.csv/../secret.txt'))",
    "(SELECT any_value(password) FROM read_csv('{secret}'))",
    "(SELECT any_value(password) FROM '{secret}')",
    "(SELECT any_value(columns) FROM sniff_csv('{secret}'))",
    "(SELECT string_agg(file, ' ') FROM glob('{folder}/*'))",
    "(SELECT any_value(json) FROM read_json_objects('{secret}'))",
    "(SELECT count(*) FROM parquet_metadata('{secret}'))",
    "(SELECT * FROM query('SELECT content FROM read_text(''{secret}'')'))",
    "(SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{secret}'')')))",
    "(SELECT count(*) FROM read_csv('https://localhost:1/x.csv'))",
    "(SELECT count(*) FROM read_parquet('s3://bucket/x.parquet'))",
    "(SELECT count(*) FROM sqlite_scan('{secret}', 'x'))",
    "(SELECT count(*) FROM postgres_scan('host=localhost', 'public', 'x'))",
    "ST_Read('{secret}')",
    "getenv('HOME')",
    "1); COPY (SELECT 1) TO '{folder}/written'; SELECT (1",
    "1; ATTACH '{folder}/written'",
    "1; INSTALL httpfs; LOAD httpfs",
    "(SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/written'''))",
    "(PRAGMA database_list)",
    "(SELECT count(*) FROM settings)",
    "(SELECT count(*) FROM local_frame)",
)


@pytest.mark.parametrize(
    ("place", "attack"),
    [*(("where", attack) for attack in READING), *((place, READING[0]) for place in ("column", "currency"))],
)
def test_sql_reads_only_the_files_of_the_source(shop, tmp_path, secret, attack, place):
    import pandas as pd

    local_frame = pd.DataFrame({"x": [SECRET]})  # a variable of this process, which DuckDB would find by its name
    assert len(local_frame) == 1
    sql = attack.format(secret=secret, folder=tmp_path)
    (tmp_path / "rates.csv").write_text("currency,valid_from,rate\nCHF,2020-01-01,1\n")
    settings = {
        "column": lambda: shop({"columns": COLUMNS | {"product_id": sql}}),
        "where": lambda: shop({"where": f"{sql} IS NOT NULL"}),
        "currency": lambda: shop({"currency": sql}, currency={"code": "CHF", "rates": {"files": "rates.csv"}}),
    }[place]()
    refused(ingest, settings)
    assert not (tmp_path / "written").exists()
    assert not tables.exists(settings, "staging/order_lines")


def test_a_file_of_one_table_is_open_to_the_sql_of_all(shop, tmp_path):
    (tmp_path / "rates.csv").write_text("currency,valid_from,rate\nCHF,2020-01-01,1\nEUR,2020-01-01,0.95\n")
    money = {"currency": {"code": "CHF", "rates": {"files": "rates.csv"}}}
    ingest(shop({"currency": f"(FROM read_csv('{tmp_path / 'rates.csv'}') SELECT max(currency))"}, **money))


def test_nothing_undoes_the_lock(tmp_path):
    (tmp_path / "orders.csv").write_text(CSV)
    connection = duckdb.connect(tmp_path / "staged.duckdb")
    lock(connection, [str(tmp_path / "orders.csv")])
    for statement in (
        "SET enable_external_access = true",
        f"SET allowed_directories = ['{tmp_path}']",
        "SET autoload_known_extensions = true",
        "RESET lock_configuration",
        f"SET temp_directory = '{tmp_path}'",
        f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'",
        f"ATTACH '{tmp_path / 'other.duckdb'}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        f"EXPORT DATABASE '{tmp_path / 'written'}'",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
    assert connection.read_csv(str(tmp_path / "orders.csv")).count("*").fetchall() == [(2,)]


def test_a_locked_connection_still_spills(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("x,y\n" + "".join(f"{n},{n * 7919 % 100_003}\n" for n in range(200_000)))
    connection = duckdb.connect(tmp_path / "staged.duckdb")
    connection.execute("SET memory_limit = '100MB'")
    connection.execute("SET threads = 1")
    lock(connection, [str(rows)])
    wide = connection.read_csv(str(rows)).project("x, y, repeat(y::VARCHAR, 60) AS z")
    wide.order("z DESC, x").create("sorted")
    assert connection.table("sorted").count("*").fetchall() == [(200_000,)]


@pytest.mark.parametrize("name", ["o'brien [1].csv", "größe; --.csv", 'a"b.csv'])
def test_files_with_awkward_names_stay_readable(shop, name):
    assert ingest(shop({"from": {"files": name.replace("[", "[[]")}}, name=name)).tables["order_lines"].rows == 2


def test_a_package_gives_only_its_own_files(shop):
    traversal = {"from": {"package": "lifetimes", "file": "../../../../../../../../etc/passwd", "format": "csv"}}
    refused(ingest, shop(traversal), match="has no file")
    refused(ingest, shop({"from": {"package": "lifetimes", "file": "/etc/passwd", "format": "csv"}}), match="no file")


MANY = CSV + f"3,{PERSON},plum,2024-03-07,1,1.00\n" * 30_000
QUOTED = {"files": "orders.csv", "options": {"quotechar": '"'}}
BROKEN = {
    "a line with more columns": (MANY + f"9,{PERSON},{SECRET},2024-03-07,1,1.00,7,8\n", {}),
    "a quote that never ends": (MANY + f'9,{PERSON},"{SECRET},2024-03-07,1,1.00\n', {"from": QUOTED}),
    "a where that converts": (CSV + f"9,{PERSON},apple,2024-03-07,{SECRET},1\n", {"where": "n::INT > 0"}),
    "a where that parses times": (
        CSV + f"9,{PERSON},apple,{SECRET},1,1\n",
        {"where": "strptime(moment, '%Y-%m-%d') > '2020-01-01'"},
    ),
    "an error that is raised on purpose": (CSV + f"9,{PERSON},{SECRET},2024-03-07,1,1\n", {"where": "error(what)"}),
    "no readable time": (CSV, {"columns": COLUMNS | {"ordered_at": "who || what"}}),
}


@pytest.mark.parametrize("case", BROKEN)
def test_errors_quote_no_rows(shop, case):
    text, table = BROKEN[case]
    shown = refused(ingest, shop(table, text))
    assert PERSON not in shown
    assert "apple" not in shown


def test_the_line_of_a_broken_record_is_named(shop):
    text, table = BROKEN["a line with more columns"]
    refused(ingest, shop(table, text), match=r"Line: 30004, Expected Number of Columns: 6 Found: \d, in .*orders.csv")


def test_a_failed_validation_names_the_line_and_not_the_record(shop):
    settings = shop(text=CSV + f"9,{PERSON},{SECRET},2024-03-07,many,1\n").with_changes(
        ingest__max_quarantined_share=0.0
    )
    ingest(settings)
    shown = refused(validate, settings, match=r"orders.csv line 3: quantity is not a DOUBLE; amount is not a DOUBLE\.")
    assert PERSON not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"title: [\nconnection: postgresql://purse:{SECRET}@db/shop",
        f"postgresql://purse:{SECRET}@db/shop",
        f"title: x\ntables: {{order_lines: {{from: {{sql: x, connection: {{url: {SECRET}}}}}, columns: {{}}}}}}",
    ],
)
def test_an_invalid_source_file_is_not_quoted(settings, tmp_path, text):
    (tmp_path / "shop.yaml").write_text(text)
    refused(load_source, settings.with_changes(source=str(tmp_path / "shop.yaml")))


@pytest.fixture
def database(tmp_path):
    """A shop's database with one table."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (no TEXT, who TEXT, what TEXT, moment TEXT, n, price REAL)")
        connection.execute("INSERT INTO orders VALUES ('1', 'ann', 'apple', '2024-03-05', 2, 1.5)")
    return path


def queried(sql, url):
    return {"from": {"sql": sql, "connection": url}}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders; DROP TABLE orders",
        "SELECT * FROM orders; COMMIT; DELETE FROM orders",
        "DELETE FROM orders RETURNING *",
        "DROP TABLE orders",
        "VACUUM INTO '{written}'",
        "ATTACH '{written}' AS other",
        "PRAGMA writable_schema = 1",
        "/* SELECT */ INSERT INTO orders SELECT * FROM orders",
        "-- SELECT\nUPDATE orders SET n = 0",
        "SELECT * INTO OUTFILE '{written}' FROM orders",
        "SELECT 1 /*! INTO OUTFILE '{written}' */",
        "SELECT 'unfinished",
        "SELECT load_extension('x')",
        ";",
    ],
)
def test_a_query_is_one_select(shop, tmp_path, database, sql):
    settings = shop(queried(sql.format(written=tmp_path / "written"), f"sqlite:///{database}"))
    refused(ingest, settings)
    assert not (tmp_path / "written").exists()
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*), sum(n) FROM orders").fetchall() == [(1, 2)]


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM orders;", "-- all; of them\nWITH a AS (SELECT * FROM orders) SELECT * FROM a WHERE what <> ';'"],
)
def test_one_select_in_any_form_is_accepted(shop, database, sql):
    assert ingest(shop(queried(sql, f"sqlite:///{database}"))).tables["order_lines"].rows == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://purse:{}@127.0.0.1:1/shop",
        "postgresql+psycopg2://purse:pass@127.0.0.1:{}/shop",
        "postgresql+psycopg2://purse:pass@127.0.0.1:1/shop?options={}",
        "postgresql://purse:pa/{}@127.0.0.1:1/shop",
        "nosuchdialect://purse:{}@127.0.0.1/shop",
        "purse:{}@127.0.0.1",
        "sqlite:////no/such/folder/x.db?password={}",
    ],
)
def test_the_password_of_a_connection_is_never_shown(shop, monkeypatch, url):
    monkeypatch.setenv("SHOP_URL", url.format(SECRET))
    refused(ingest, shop(queried("SELECT 1", "${SHOP_URL}")))


def test_a_column_of_several_types_is_text_and_its_values_are_not_shown(shop, database):
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO orders VALUES ('2', 'ann', 'apple', '2024-03-05', ?, 1.5)", [SECRET])
    settings = shop(queried("SELECT * FROM orders", f"sqlite:///{database}"))
    ingest(settings)
    shown = refused(
        validate, settings.with_changes(ingest__max_quarantined_share=0.0), match="quantity is not a DOUBLE"
    )
    assert PERSON not in shown


def test_a_value_with_a_line_break_proposes_no_rule_of_its_own(shop):
    rule = "{column: amount, max: 0, severity: critical}"
    text = CSV + f'3,cid,"plum\n  - {rule}",2024-03-07,1,1.00\n'
    users = {"from": {"files": "orders.csv"}, "columns": {"user_id": "who", "valid_from": "moment", "region": "what"}}
    settings = shop(text=text)
    path = Path(settings.source)
    source = yaml.safe_load(path.read_text())
    source["tables"]["users"] = users
    path.write_text(yaml.safe_dump(source))
    ingest(settings)
    validate(settings)
    written = Path(propose(settings, "users")["proposed"]["users"]["file"])
    assert {one["column"] for one in yaml.safe_load(written.read_text())["rules"]} <= {"region", "user_id"}
