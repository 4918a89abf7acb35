"""Ids of users stand where they must, and nowhere else: not in MLflow, results, XCom, logs or messages."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.validate.step import validate
from tests.security.shop import user_ids, write_shop

DECLARED = (
    "lake/",
    "exports/",
    "data_docs/",
    r"serving/releases/[^/]+/(history\.duckdb|scores\.parquet)",
)
"""Places of the home that may hold ids of users; docs/security.md names them."""

NAMES = re.compile("|".join(user_ids()))


def undeclared(home: Path) -> Iterator[Path]:
    for path in home.rglob("*"):
        if path.is_file() and not re.match("|".join(DECLARED), path.relative_to(home).as_posix()):
            yield path


def texts(path: Path) -> Iterator[str]:
    """The content of a file; of Parquet, Zip and DuckDB, which compress, what is in them."""
    if path.suffix == ".parquet":
        yield pd.read_parquet(path).to_csv()
    content = path.read_bytes()
    yield content.decode("latin-1")
    yield content.decode("utf-16-le", errors="replace")
    if content[:2] == b"\x1f\x8b":
        yield zlib.decompress(content, 31).decode("latin-1")


def test_the_lake_and_the_export_hold_the_ids(finished):
    """The search below would find an id: it finds them where they are declared."""
    export = next((finished / "home" / "exports").glob("*.csv"))
    assert NAMES.search(export.read_text())
    parts = (finished / "home" / "lake" / "predictions").rglob("*.parquet")
    assert any(NAMES.search(text) for path in parts for text in texts(path))


def test_no_id_is_anywhere_else_in_the_home(finished):
    files = list(undeclared(finished / "home"))
    assert {"mlflow.db", "optuna.db", "canary.parquet", "test_predictions.parquet", "validate.json"} <= {
        path.name for path in files
    }
    assert [str(path) for path in files if any(NAMES.search(text) for text in texts(path))] == []


def test_no_id_is_in_the_answers_and_messages_of_the_steps(finished):
    """The answer of a step is Airflow's XCom; answer and messages are the task's log."""
    outputs = list((finished / "output").iterdir())
    assert len(outputs) > 10
    assert [path.name for path in outputs if NAMES.search(path.read_text())] == []


@pytest.fixture
def shop(settings, tmp_path):
    write_shop(tmp_path)
    return settings.with_changes(source=str(tmp_path / "shop.yaml"), ingest__max_staleness_days=None)


def test_an_error_names_file_line_and_column_but_no_record(shop):
    ingest(shop)
    with pytest.raises(PurseError) as error:
        validate(shop.with_changes(ingest__max_quarantined_share=0.0))
    assert re.search(
        r"first in .*orders\.csv line \d+: unit_price is not a DOUBLE; amount is not a DOUBLE\. The", str(error.value)
    )
    assert not NAMES.search(str(error.value))


def test_a_wrong_column_of_times_shows_no_record(shop, tmp_path):
    source = tmp_path / "shop.yaml"
    source.write_text(source.read_text().replace("ordered_at: day", "ordered_at: customer"))
    with pytest.raises(PurseError, match=r"First row, .*orders\.csv line 1: ordered_at is not a TIMESTAMP") as error:
        ingest(shop)
    assert not NAMES.search(str(error.value))


def test_a_wrong_column_of_currencies_is_not_quoted(shop, tmp_path):
    (tmp_path / "rates.csv").write_text("currency,valid_from,rate\nEUR,2020-01-01,1.1\n")
    source = yaml.safe_load((tmp_path / "shop.yaml").read_text())
    source["currency"] = {"code": "CHF", "rates": {"files": "rates.csv"}}
    source["tables"]["order_lines"]["currency"] = "customer"
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(source))
    ingest(shop)
    with pytest.raises(PurseError, match="no rate of KUN on 2024-01-") as error:
        validate(shop)
    assert not re.search(NAMES.pattern, str(error.value), re.IGNORECASE)


def test_a_profile_of_a_small_shop_lists_no_ids(shop, tmp_path):
    few = pd.read_csv(tmp_path / "orders.csv", dtype=str)
    few[few["customer"].isin(few["customer"].iloc[:5])].iloc[:5].to_csv(tmp_path / "orders.csv", index=False)
    ingest(shop)
    validate(shop)
    text = (shop.home_path / "profiles" / "order_lines.yaml").read_text()
    assert "# order_id" in text
    assert not NAMES.search(text)
