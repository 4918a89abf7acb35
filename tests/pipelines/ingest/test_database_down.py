"""A shop's database that does not answer is an outage; one that refuses is not. A real Postgres, then none."""

import duckdb
import pytest
import yaml

from pipelines.errors import PurseError, ServiceDown
from pipelines.ingest.database import query
from pipelines.ingest.step import ingest
from tests.pipelines.ingest.conftest import COLUMNS
from tests.serving.servers import free_port, postgres_server

PLACE = "Source file shop.yaml, tables.order_lines.from"
PASSWORD = "s3cret-pass"  # noqa: S105


def with_password(url):
    return url.replace("purse@", f"purse:{PASSWORD}@")


def test_a_postgres_that_stops_is_an_outage_and_one_that_refuses_is_not():
    with postgres_server() as plain:
        url = with_password(plain)
        assert query(duckdb.connect(), "SELECT 1 AS one", url, PLACE).fetchall() == [(1,)]
        for wrong, statement in (
            (f"{url}x", "SELECT 1"),
            (url, "SELECT nothing"),
            (url, "SELECT 'timeout expired'::int"),
        ):
            with pytest.raises(PurseError, match="Correct 'connection' or 'sql'") as refused:
                query(duckdb.connect(), statement, wrong, PLACE)
            assert refused.value.exit_code == 1
        with pytest.raises(ServiceDown, match=r"the database does not answer: .*(terminating|closed the) connection"):
            query(duckdb.connect(), "SELECT pg_terminate_backend(pg_backend_pid())", url, PLACE)
    with pytest.raises(ServiceDown, match=r"the database does not answer: .*refused") as down:
        query(duckdb.connect(), "SELECT 1", url, PLACE)
    assert down.value.exit_code == 75
    assert PASSWORD not in str(down.value)


def test_an_ingest_from_a_closed_port_is_an_outage_that_writes_nothing(settings, tmp_path):
    origin = {"sql": "SELECT * FROM orders", "connection": f"postgresql://purse:{PASSWORD}@127.0.0.1:{free_port()}/x"}
    mapped = {"from": origin, "columns": COLUMNS | {"line": "1", "unit_price": "amount"}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": mapped}}))
    with pytest.raises(ServiceDown, match="Start it, or correct 'connection' if its address has changed"):
        ingest(settings.with_changes(source=str(tmp_path / "shop.yaml")))
    assert not (settings.home_path / "lake").exists()
