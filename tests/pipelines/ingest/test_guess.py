"""A proposed source file reads the export right, or names what it is unsure of."""

import csv
import json
from datetime import datetime

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from pipelines.errors import PurseError
from pipelines.ingest.guess.proposal import guess
from pipelines.ingest.preview import preview
from pipelines.source.definition import Source
from tests.pipelines.ingest.workbooks import write_xlsx

AT = datetime(2025, 2, 13, 18, 5)  # noqa: DTZ001


@pytest.fixture
def export(tmp_path):
    def make(name, *rows, encoding="utf-8", delimiter=","):
        path = tmp_path / name
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        return path

    return make


@pytest.fixture
def propose(tmp_path):
    """Propose a source for files; return its tables, what is unsure, and the mapped rows."""

    def make(*files, timezone="Europe/Zurich"):
        target = tmp_path / "shop.yaml"
        proposal = guess(list(files), target, timezone, tmp_path / "cache")
        content = yaml.safe_load(proposal.text)
        rows, told = preview(Source.model_validate({**content, "path": target}))
        assert told == []
        assert all(row["fault"] is None for mapped in rows.values() for row in mapped)
        return content["tables"], proposal.unsure, rows

    return make


def test_english(export, propose):
    names = ["Order No.", "SKU", "Customer ID", "Order Date", "Qty", "Unit Price", "Discount"]
    path = export(
        "orders.csv",
        names,
        ["A1", "tea", "17850.0", "2/13/2025 6:05 PM", "3", "$1,234.50", "$0.50"],
        ["A2", "tea", "17851.0", "2/1/2025 6:05 PM", "-1", "$2.00", "$0"],
    )
    tables, unsure, rows = propose(path)
    assert tables["order_lines"]["from"] == {"files": "orders.csv"}
    assert unsure == []
    assert rows["order_lines"][0] == {
        "order_id": "A1",
        "product_id": "tea",
        "line": 1,
        "user_id": "17850",
        "ordered_at": AT,
        "quantity": 3,
        "unit_price": 1234.5,
        "amount": 3703,
        "discount": 0.5,
        "fault": None,
    }


def test_german(export, propose):
    names = ["Bestellnummer", "Pos.", "Artikel-Nr.", "Kundennummer", "Bestelldatum", "Menge", "Einzelpreis", "Währung"]
    lines = [["7", "1", "Käse", "K1", "13.02.2025 18:05", "2", "1.234,50", "EUR"]]
    path = export("Bestellungen.csv", names, *lines, encoding="cp1252", delimiter=";")
    tables, unsure, rows = propose(path)
    assert tables["order_lines"]["from"]["decimal"] == ","
    (row,) = rows["order_lines"]
    assert (row["product_id"], row["user_id"], row["ordered_at"], row["amount"]) == ("Käse", "K1", AT, 2469)
    assert [one.split(":")[0] for one in unsure] == ["order_lines.quantity"]  # no return in it


def test_chinese(export, propose):
    names = ["订单号", "商品编号", "会员号", "下单时间", "数量", "实付金额"]
    path = export("订单.csv", names, ["1", "茶", "u1", "2025年2月13日 18:05", "-2", "-20"], encoding="gb18030")
    _, unsure, rows = propose(path)
    (row,) = rows["order_lines"]
    assert (row["product_id"], row["ordered_at"], row["unit_price"], row["amount"]) == ("茶", AT, 10, -20)
    assert unsure == []


def test_a_workbook_with_users_and_products(tmp_path, export, propose):
    names = ["invoice", "article", "member id", "date", "units", "price"]
    orders = write_xlsx(tmp_path / "orders.xlsx", {"Sheet1": [names, [1001.0, 7.0, 5.0, AT, -1, 2.5]]})
    users = export("members.csv", ["Member ID", "City", "Gender"], ["5", "Bern", "f"])
    products = export("articles.csv", ["Article", "Product category", "Brand"], ["7", "Tea", "Own"])
    tables, _, rows = propose(orders, users, products)
    assert set(tables) == {"order_lines", "users", "products"}
    assert (rows["order_lines"][0]["order_id"], rows["order_lines"][0]["ordered_at"]) == ("1001", AT)
    assert (rows["users"][0]["region"], rows["users"][0]["gender"]) == ("Bern", "f")
    assert rows["products"][0]["category"] == "Tea"


def test_a_sheet_of_a_workbook(tmp_path):
    names = ["invoice", "article", "member id", "date", "units", "price"]
    book = write_xlsx(tmp_path / "orders.xlsx", {"Notes": [["x"], ["y"]], "2025": [names, [1.0, 7.0, 5.0, AT, 1, 2.5]]})
    with pytest.raises(PurseError, match="2 sheets with rows"):
        guess([book], tmp_path / "shop.yaml", None, tmp_path)
    text = guess([book], tmp_path / "shop.yaml", None, tmp_path, sheet="2025").text
    assert yaml.safe_load(text)["tables"]["order_lines"]["from"] == {"files": "orders.xlsx", "sheet": "2025"}


def test_what_is_unsure_is_named(export, propose):
    names = ["customer", "client id", "created", "total", "currency"]
    path = export("o.csv", names, ["a", "1", "02/01/2025", "1,234", "EUR"], ["b", "2", "03/01/2025", "5,678", "USD"])
    tables, unsure, _ = propose(path, timezone=None)
    said = "\n".join(unsure)
    assert "timezone: UTC is taken" in said
    assert (
        "'created' fits %d/%m/%Y (2025-01-02 to 2025-01-03) and %m/%d/%Y (2025-02-01 to 2025-03-01); the first" in said
    )
    assert "'client id' is taken; 'customer' would do too" in said
    assert "of 'total' may be thousands; its mark is taken for a decimal mark" in said
    assert "currency: 'currency' has EUR, USD" in said
    for column in ("order_id", "product_id", "quantity"):
        assert f"order_lines.{column}: no column has" in said
    assert {"line", "unit_price", "amount"} <= set(tables["order_lines"]["columns"])


def test_forms_of_ids_and_nobody_are_proposed(tmp_path, export):
    ids = ["17850", "17850.0", "17851", "Guest", "guest", "", *(f"u{n}" for n in range(14))]
    rows = [[f"A{n}", "tea", one, "2025-02-13 18:05:00", "1", "2.50"] for n, one in enumerate(ids)]
    path = export("orders.csv", ["Order No.", "SKU", "Customer ID", "Order Date", "Qty", "Unit Price"], *rows)
    proposal = guess([path], tmp_path / "shop.yaml", "Europe/Zurich", tmp_path / "cache")
    content = yaml.safe_load(proposal.text)
    assert (content["ids"], content["nobody"]) == (["lower", "integer"], ["guest", ""])
    assert "nobody: rows with these user ids are left out" in proposal.unsure
    mapped, _ = preview(Source.model_validate({**content, "path": tmp_path / "shop.yaml"}))
    assert {row["user_id"]: row["fault"] for row in mapped["order_lines"]} == {
        "17850": None, "17851": None, "guest": "user_id is nobody's", "": "user_id is nobody's",
        **{f"u{n}": None for n in range(4)},
    }  # fmt: skip


def test_no_order_lines(export, propose):
    items = export("items.csv", ["order_id", "product_id", "price"], ["1", "2", "3"])
    with pytest.raises(PurseError, match=r"No column looks like ordered_at or user_id\. .*items.csv: order_id"):
        propose(items)
    orders = export("orders.csv", ["order_id", "customer_id", "created_at"], ["1", "2", "2025-01-01"])
    with pytest.raises(PurseError, match="stand in different files: join them by 'query'"):
        propose(orders, items)
    with pytest.raises(PurseError, match="There is no file"):
        propose(orders.with_name("nothing.csv"))


ENOUGH = [["Name", "Email", "Created at", "Lineitem quantity", "Lineitem price", "Lineitem sku"], ["#1", "a@b.example"]]


def test_the_command_asks_for_yes(tmp_path, export, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["order", "customer", "date", "quantity", "price"]
    export("orders.csv", names, ["1", "ann", "2025-02-13", "-2", "3.50"])
    proposed = CliRunner().invoke(app, ["sources", "guess", "orders.csv", "--json"])
    answer = json.loads(proposed.stdout.splitlines()[-1])
    assert answer["written"] is None
    assert answer["rows"]["order_lines"][0]["amount"] == -7
    assert not (tmp_path / "shop.yaml").exists()
    written = CliRunner().invoke(app, ["sources", "guess", "orders.csv", "--yes"])
    assert "purse ingest" in written.stdout
    assert yaml.safe_load((tmp_path / "shop.yaml").read_text())["tables"]["order_lines"]["from"] == {
        "files": "orders.csv"
    }


def test_a_known_export_is_recognised(tmp_path, export, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export("orders_export.csv", ENOUGH[0], [*ENOUGH[1], "2025-03-01 23:30:00 -0500", "1", "2.00", "T1"])
    found = CliRunner().invoke(app, ["sources", "guess", "orders_export.csv", "--json"])
    assert json.loads(found.stdout)["next"] == "purse sources init shopify orders_export.csv"


def test_init_writes_says_what_to_edit_and_the_next_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["sources", "init", "magento", "--json"])
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert answer["written"] == "shop.yaml"
    assert any("the shop's name" in one for one in answer["edit"])
    assert any("matches nothing" in one for one in answer["warnings"])
    assert "purse ingest && purse validate" in answer["next"]
    assert CliRunner().invoke(app, ["sources", "init", "magento"]).exit_code == 1
