"""Workbooks as a source: text as it was typed, ids without a fraction, dates, sheets."""

from datetime import datetime

import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake
from tests.pipelines.ingest.workbooks import serial, write_ods, write_xlsx

HEADER = ["order", "sku", "customer", "created", "qty", "price"]
AT = datetime(2025, 2, 1, 18, 5)  # noqa: DTZ001 - a workbook has no zones
COLUMNS = {
    "order_id": '"order"',
    "product_id": "sku",
    "line": "_line",
    "user_id": "customer",
    "ordered_at": "created",
    "quantity": "qty",
    "unit_price": "price",
    "amount": "qty * price",
}


def line(order, customer=17850.0, at=AT, price=2.5):
    return [order, "007", customer, at, 3, price]


@pytest.fixture
def load(tmp_path, settings):
    """Ingest the workbook beside shop.yaml; return the staged rows in order."""

    def make(**origin):
        columns = COLUMNS | origin.pop("columns", {})
        table = {"from": {"files": "orders.*"} | origin, "columns": columns}
        (tmp_path / "shop.yaml").write_text(yaml.safe_dump({"title": "Shop", "tables": {"order_lines": table}}))
        changed = settings.with_changes(source=str(tmp_path / "shop.yaml"))
        ingest(changed, replace=True)
        return lake.read(lake.connect(), changed, "staging/order_lines").to_pandas().sort_values("order_id")

    return make


@pytest.mark.parametrize(("write", "ending"), [(write_xlsx, "xlsx"), (write_xlsx, "XLSX"), (write_ods, "ods")])
def test_a_workbook_is_read_as_it_was_typed(load, tmp_path, write, ending):
    rows = [HEADER, line("a"), [None] * 6, line("b", customer="17850", price=1e15 + 0.5), line(536365.0)]
    write(tmp_path / f"orders.{ending}", {"Orders": rows, "Empty": []})
    found = load()
    assert found.order_id.tolist() == ["536365", "a", "b"]
    assert found.user_id.tolist() == ["17850"] * 3
    assert found.product_id.tolist() == ["007"] * 3
    assert found.ordered_at.tolist() == [AT] * 3
    assert found.amount.tolist() == [7.5, 7.5, 3e15 + 1.5]
    assert found.fault.isna().all()
    assert found.source_file.unique().tolist() == [str(tmp_path / f"orders.{ending}")]


def test_a_decimal_comma_in_text_beside_real_numbers(load, tmp_path):
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": [HEADER, line("a", price="1.234,50"), line("b", price=2.5)]})
    assert load(decimal=",").unit_price.tolist() == [1234.5, 2.5]


def test_a_serial_number_is_a_time_by_its_expression(load, tmp_path):
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": [HEADER, line("a", at=serial(AT))]})
    found = load(columns={"ordered_at": "TIMESTAMP '1899-12-30' + to_seconds(round(created::DOUBLE * 86400))"})
    assert found.ordered_at.tolist() == [AT]


def test_sheets_by_name(load, tmp_path):
    sheets = {"2024": [HEADER, line("a")], "2025": [HEADER, line("b")], "Notes": [["written by hand"]]}
    write_xlsx(tmp_path / "orders.xlsx", sheets)
    assert load(sheet="2025").order_id.tolist() == ["b"]
    both = load(sheet=["2024", "2025"])
    assert both.order_id.tolist() == ["a", "b"]
    assert both.source_file.tolist() == [str(tmp_path / "orders.xlsx") + f", sheet {year}" for year in (2024, 2025)]
    with pytest.raises(PurseError, match=r"3 sheets with rows: 2024, 2025, Notes.*sheet: \"2024\""):
        load()
    with pytest.raises(PurseError, match=r"has no sheet '2026'; it has 2024, 2025, Notes"):
        load(sheet="2026")


def test_rows_above_the_names_and_odd_names(load, tmp_path):
    names = ["order", "sku", "customer", "created", "price", "price", None]
    sheet = [["Sales report"], [], names, ["a", "007", "u", AT, 3, 2.5, None]]
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": sheet})
    columns = {"quantity": "price", "unit_price": "price_1", "amount": "price * price_1"}
    assert load(options={"skiprows": 1}, columns=columns).amount.tolist() == [7.5]


def test_what_is_no_workbook_is_said(load, tmp_path):
    (tmp_path / "orders.xlsx").write_text("order,sku")
    with pytest.raises(PurseError, match=r"orders.xlsx cannot be read as a workbook: .*save it again"):
        load()
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": []})
    with pytest.raises(PurseError, match="no rows on Orders"):
        load()
