"""Each preset reads a small made-up file of its form: the lines, amounts and users are the right ones."""

import csv
import json
from datetime import datetime

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.preview import preview
from pipelines.settings import REPOSITORY
from pipelines.source.definition import Source
from pipelines.source.presets import adapted, edits, find, presets, write
from tests.pipelines.ingest.workbooks import write_xlsx


@pytest.fixture
def read(tmp_path):
    """Write a preset beside exports/ and return the mapped rows of a table."""

    def rows(name, table="order_lines", **changes):
        text = find(name).text
        for old, new in changes.items():
            text = text.replace(old, new)
        source = Source.model_validate({**yaml.safe_load(text), "path": tmp_path / "shop.yaml"})
        shown, told = preview(source)
        assert told == []
        assert all(row.pop("fault") is None for lines in shown.values() for row in lines)
        keys = {"order_lines": ("order_id", "line"), "users": ("user_id",), "events": ("occurred_at",)}
        return sorted(shown[table], key=lambda row: [row.get(key) for key in keys.get(table, ("product_id",))])

    (tmp_path / "exports").mkdir()
    return rows


@pytest.fixture
def export(tmp_path):
    """Write a file of an export: rows of a CSV (the first names the columns), or a value as JSON."""

    def make(name, content):
        path = tmp_path / "exports" / name
        if name.endswith(".csv"):
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(content)
        else:
            path.write_text(json.dumps(content))

    return make


def column(rows, name):
    return [row[name] for row in rows]


SHOPIFY = [
    *("Name", "Email", "Financial Status", "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Amount"),
    *(
        "Created at",
        "Lineitem quantity",
        "Lineitem name",
        "Lineitem price",
        "Lineitem compare at price",
        "Lineitem sku",
    ),
    *("Billing Country", "Shipping Country", "Cancelled at", "Refunded Amount", "Phone", "Vendor"),
]


def test_shopify(read, export):
    at, later = "2025-03-01 23:30:00 -0500", "2025-03-02 08:00:00 -0500"
    first = ["#2", "Ann@Shop.example ", "partially_refunded", "USD", "27.00", "5.00", "0", "32.00", "3.00"]
    rest = ["", "US", "", "8.00", "", "Own"]
    export(
        "orders_export_1.csv",
        [
            SHOPIFY,
            [*first, at, "1", "Tea", "10.00", "", "T1", *rest],
            ["#2", "", *[""] * 7, at, "2", "Cup", "10.00", "", "", *[""] * 6],
            [
                "#3",
                "bob@shop.example",
                "paid",
                "USD",
                "5",
                "0",
                "0",
                "5",
                "0",
                later,
                "1",
                "Tea",
                "5",
                "",
                "T1",
                "US",
                "",
                "",
                "0",
                "",
                "",
            ],
            [
                "#4",
                "",
                "paid",
                "USD",
                "5",
                "0",
                "0",
                "5",
                "0",
                later,
                "1",
                "Tea",
                "5",
                "",
                "T1",
                "",
                "",
                "",
                "0",
                "",
                "",
            ],
            [
                "#5",
                "bob@shop.example",
                "voided",
                "USD",
                "5",
                "0",
                "0",
                "5",
                "0",
                later,
                "1",
                "Tea",
                "5",
                "",
                "T1",
                "",
                "",
                later,
                "0",
                "",
                "",
            ],
        ],
    )
    rows = read("shopify", **{"timezone: UTC ": "timezone: America/New_York "})
    assert column(rows, "order_id") == ["#2", "#2", "#3"]
    assert column(rows, "user_id") == ["ann@shop.example"] * 2 + ["bob@shop.example"]
    assert column(rows, "product_id") == ["T1", "Cup", "T1"]
    assert rows[1]["ordered_at"] == datetime(2025, 3, 1, 23, 30)  # noqa: DTZ001
    assert column(rows, "discount") == pytest.approx([1, 2, 0])
    assert column(rows, "amount") == pytest.approx([9 * 0.75, 18 * 0.75, 5])
    users = read("shopify", "users", **{"timezone: UTC ": "timezone: America/New_York "})
    assert [(user["user_id"], user["region"]) for user in users] == [
        ("ann@shop.example", "US"),
        ("bob@shop.example", "US"),
    ]


def test_shopify_json(read, export):
    item = {
        "id": 9007199254740993,
        "product_id": 71,
        "sku": "T1",
        "quantity": 3,
        "price": "10.00",
        "total_discount": "0.00",
    }
    order = {
        "id": 450789469,
        "created_at": "2025-03-01T12:00:00-05:00",
        "cancelled_at": None,
        "test": False,
        "email": "ann@shop.example",
        "customer": {"id": 207119551},
        "line_items": [item | {"discount_allocations": [{"amount": "3.00"}]}],
        "refunds": [
            {
                "id": 509562969,
                "created_at": "2025-03-05T12:00:00Z",
                "refund_line_items": [{"id": 104689539, "line_item_id": item["id"], "quantity": 1, "subtotal": "9.00"}],
            }
        ],
    }
    guest = order | {"id": 2, "customer": None, "email": "Bob@Shop.example", "refunds": []}
    export("orders-1.json", {"orders": [order, guest, order | {"id": 3, "test": True}]})
    export("orders-2.json", {"orders": [order | {"id": 4, "cancelled_at": "2025-03-01T13:00:00Z"}]})
    rows = read("shopify_json")
    assert [(row["user_id"], row["quantity"], row["amount"]) for row in rows] == [
        ("bob@shop.example", 3, 27),
        ("207119551", -1, -9),
        ("207119551", 3, 27),
    ]
    assert rows[2]["line"] == item["id"]
    assert rows[1]["ordered_at"] == datetime(2025, 3, 5, 12)  # noqa: DTZ001


def test_woocommerce(read, export):
    names = (
        "order_id,order_date,status,customer_id,billing_email,item_id,item_name,item_product_id,item_sku,item_price,"
    )
    names += "item_quantity,item_subtotal,item_total,item_refunded,item_refunded_qty"
    at = "2025-03-01 18:05:00"
    export(
        "orders-2025.csv",
        [
            names.split(","),
            [
                "7",
                at,
                "completed",
                "12",
                "ann@shop.example",
                "31",
                "Tea",
                "5",
                "T1",
                "10.00",
                "2",
                "20.00",
                "18.00",
                "9.00",
                "1",
            ],
            [
                "8",
                at,
                "processing",
                "0",
                "Bob@Shop.example",
                "32",
                "Cup",
                "6",
                "C1",
                "4.00",
                "1",
                "4.00",
                "4.00",
                "0.00",
                "0",
            ],
            [
                "9",
                at,
                "cancelled",
                "12",
                "ann@shop.example",
                "33",
                "Tea",
                "5",
                "T1",
                "10.00",
                "1",
                "10.00",
                "10.00",
                "0",
                "0",
            ],
        ],
    )
    rows = read("woocommerce")
    assert column(rows, "user_id") == ["12", "bob@shop.example"]
    assert column(rows, "amount") == [9, 4]
    assert column(rows, "discount") == [2, 0]


def test_woocommerce_json(read, export):
    order = {
        "id": 727,
        "status": "processing",
        "date_created_gmt": "2025-03-01T22:30:00",
        "total": "20.00",
        "customer_id": 0,
        "billing": {"email": "Ann@Shop.example"},
        "line_items": [
            {"id": 315, "product_id": 93, "sku": "", "quantity": 2, "subtotal": "20.00", "total": "18.00"},
            {"id": 316, "product_id": 22, "sku": "Bar3", "quantity": 1, "subtotal": "2.00", "total": "2.00"},
        ],
        "refunds": [{"id": 726, "reason": "", "total": "-10.00"}],
    }
    export(
        "orders-1.json",
        [order, order | {"id": 728, "customer_id": 25, "refunds": [], "line_items": order["line_items"][1:]}],
    )
    rows = read("woocommerce_json", **{"timezone: UTC ": "timezone: Europe/Berlin "})
    assert column(rows, "user_id") == ["ann@shop.example", "ann@shop.example", "25"]
    assert column(rows, "amount") == pytest.approx([9, 1, 2])
    assert column(rows, "product_id") == ["93", "22", "22"]
    assert rows[0]["ordered_at"] == datetime(2025, 3, 1, 23, 30)  # noqa: DTZ001


def test_magento(read, export):
    parent = {
        "item_id": 11,
        "product_id": 3,
        "sku": "tee-blue",
        "product_type": "configurable",
        "qty_ordered": 2,
        "base_price": 30,
    }
    parent |= {"base_row_total": 60, "base_discount_amount": 6, "base_amount_refunded": 10, "base_cost": 12}
    child = {
        "item_id": 12,
        "parent_item_id": 11,
        "product_id": 4,
        "sku": "tee-blue",
        "qty_ordered": 2,
        "base_price": 0,
        "base_row_total": 0,
    }
    order = {"increment_id": "000000007", "created_at": "2025-03-01 22:30:00", "status": "complete", "customer_id": 5}
    order |= {"customer_email": "ann@shop.example", "items": [parent, child]}
    guest = {key: value for key, value in order.items() if key != "customer_id"} | {"increment_id": "000000008"}
    export("orders-1.json", {"items": [order, guest, order | {"status": "canceled"}], "total_count": 3})
    rows = read("magento", **{"timezone: UTC ": "timezone: Europe/Berlin "})
    assert column(rows, "order_id") == ["000000007", "000000008"]
    assert column(rows, "user_id") == ["5", "ann@shop.example"]
    assert column(rows, "amount") == [44, 44]
    assert column(rows, "unit_cost") == [12, 12]
    assert rows[0]["ordered_at"] == datetime(2025, 3, 1, 23, 30)  # noqa: DTZ001


RETAIL = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]


@pytest.mark.parametrize("written", ["xlsx", "%m/%d/%Y %H:%M", "%d-%m-%Y %H:%M", "%Y-%m-%d %H:%M:%S"])
def test_online_retail(read, export, tmp_path, written):
    at = datetime(2010, 12, 1, 8, 26)  # noqa: DTZ001
    lines = [
        ["536365", "85123A", "HOLDER", 6, at, 2.5, 17850.0, "United Kingdom"],
        ["C536379", "D", "Discount", -1, at, 27.5, 14527.0, "United Kingdom"],
        ["536544", "21773", "BOTTLE", 1, at, 2.51, None, "United Kingdom"],
        ["536589", "21777", None, -10, at, 0.0, 17850.0, "United Kingdom"],
    ]
    if written == "xlsx":
        write_xlsx(tmp_path / "exports" / "Online Retail.xlsx", {"Online Retail": [RETAIL, *lines]})
        rows = read("online_retail")
    else:
        export("Online_Retail.csv", [RETAIL, *([*line[:4], at.strftime(written), *line[5:]] for line in lines)])
        rows = read("online_retail", **{"Online Retail.xlsx": "Online_Retail.csv"})
    assert column(rows, "user_id") == ["17850", "14527"]
    assert column(rows, "amount") == [15, -27.5]
    assert column(rows, "ordered_at") == [at, at]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_ga4(read, tmp_path, kind):
    micros = 1740870000000000
    shared = {
        "event_timestamp": str(micros),
        "user_id": None,
        "user_pseudo_id": "1.2",
        "traffic_source": {"medium": "cpc"},
    }
    params = [
        {"key": "ga_session_id", "value": {"int_value": "99"}},
        {"key": "engagement_time_msec", "value": {"int_value": "1500"}},
    ]
    items = [{"item_id": "T1", "price": 10.5, "quantity": 2}, {"item_id": "C1", "price": 4, "quantity": 1}]
    events = [
        {**shared, "event_name": "view_item", "event_params": params, "items": items[:1], "ecommerce": {}},
        {
            **shared,
            "event_name": "purchase",
            "event_params": params,
            "items": items,
            "ecommerce": {"transaction_id": "A1"},
        },
        {
            **shared,
            "event_name": "refund",
            "event_params": [],
            "items": items[:1],
            "ecommerce": {"transaction_id": "A1"},
        },
        {**shared, "event_name": "page_view", "event_params": [], "items": [], "ecommerce": {}},
    ]
    path = tmp_path / "exports" / "events_20250301"
    path.write_text("\n".join(map(json.dumps, events)))
    if kind == "parquet":
        typed = (
            duckdb.read_json(str(path))
            .project("* REPLACE (event_timestamp::BIGINT AS event_timestamp)")
            .to_arrow_table()
        )
        pq.write_table(typed, path)
    rows = read("ga4", **{"format: json": f"format: {kind}"})
    assert column(rows, "order_id") == ["A1", "A1", "A1-refund"]
    assert column(rows, "amount") == [21, 4, -21]
    assert column(rows, "line") == [1, 2, 1]
    (event,) = read("ga4", "events", **{"format: json": f"format: {kind}"})
    assert (event["event_type"], event["product_id"], event["session_id"]) == ("view", "T1", "99")
    assert (event["dwell_seconds"], event["channel"], event["user_id"]) == (1.5, "cpc", "1.2")
    assert event["occurred_at"] == datetime(2025, 3, 1, 23, 0)  # noqa: DTZ001


def test_matomo(read, export):
    visit = {
        "idVisit": 3,
        "visitorId": "f5ec26a0",
        "userId": "ann",
        "referrerType": "search",
        "actionDetails": [
            {"type": "action", "timestamp": 1740870000, "timeSpent": 30, "productViewSku": "T1"},
            {"type": "action", "timestamp": 1740870030, "url": "https://shop.example/about"},
            {"type": "search", "timestamp": 1740870060, "siteSearchKeyword": "tea"},
            {
                "type": "ecommerceOrder",
                "timestamp": 1740870090,
                "orderId": "A1",
                "itemDetails": [
                    {"itemSKU": "T1", "price": 10.5, "quantity": 2},
                    {"itemSKU": "C1", "price": 4, "quantity": 1},
                ],
            },
        ],
    }
    export("visits-1.json", [visit])
    rows = read("matomo")
    assert [(row["order_id"], row["line"], row["user_id"], row["amount"]) for row in rows] == [
        ("A1", 1, "ann", 21),
        ("A1", 2, "ann", 4),
    ]
    events = read("matomo", "events")
    assert [(one["event_type"], one["product_id"], one["query"], one["dwell_seconds"]) for one in events] == [
        ("view", "T1", None, 30),
        ("search", None, "tea", None),
    ]


def test_every_preset_is_tested_and_has_a_page():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    pages = {page.stem for page in (REPOSITORY / "docs" / "guides" / "presets").glob("*.md")}
    assert {one.name for one in presets()} <= tested & pages


@pytest.mark.parametrize("preset", presets(), ids=lambda one: one.name)
def test_a_preset_says_what_to_edit(preset):
    assert preset.files
    assert edits(preset.text) or preset.name in {"online_retail", "olist"}


def test_a_preset_reads_the_files_of_the_caller(tmp_path):
    target, folder = tmp_path / "a" / "shop.yaml", tmp_path / "b"
    folder.mkdir()
    target.parent.mkdir()
    shopify = find("shopify")
    text = adapted(shopify, target, str(folder), "Asia/Taipei")
    assert yaml.safe_load(text)["timezone"] == "Asia/Taipei"
    assert yaml.safe_load(text)["tables"]["users"]["from"]["files"] == f"{folder}/orders_export*.csv"
    assert f'"{folder}/o.csv"' in adapted(shopify, target, str(folder / "o.csv"), None)


def test_a_source_file_is_not_overwritten(tmp_path):
    target = tmp_path / "shop.yaml"
    write(target, "mine", force=False)
    with pytest.raises(PurseError, match=r"exists and was left as it is.*--force"):
        write(target, "other", force=False)
    assert target.read_text() == "mine"
    write(target, "other", force=True)
    assert target.read_text() == "other"
    with pytest.raises(PurseError, match=r"no preset 'shopfy'. Presets: .*shopify"):
        find("shopfy")


def test_olist(read, export):
    export(
        "olist_orders_dataset.csv",
        [
            ["order_id", "customer_id", "order_status", "order_purchase_timestamp"],
            ["o1", "c1", "delivered", "2017-10-02 10:56:33"],
            ["o2", "c2", "shipped", "2017-11-02 10:56:33"],
            ["o3", "c1", "canceled", "2017-12-02 10:56:33"],
        ],
    )
    export(
        "olist_order_items_dataset.csv",
        [
            ["order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price", "freight_value"],
            ["o1", "1", "p1", "s", "2017-10-06 11:07:15", "29.99", "8.72"],
            ["o1", "2", "p1", "s", "2017-10-06 11:07:15", "29.99", "8.72"],
            ["o2", "1", "p2", "s", "2017-10-06 11:07:15", "5.00", "8.72"],
            ["o3", "1", "p2", "s", "2017-10-06 11:07:15", "5.00", "8.72"],
        ],
    )
    place = ["customer_zip_code_prefix", "customer_city", "customer_state"]
    people = [["c1", "u1", "01310", "sao paulo", "SP"], ["c2", "u1", "20040", "rio", "RJ"]]
    export("olist_customers_dataset.csv", [["customer_id", "customer_unique_id", *place], *people])
    export(
        "olist_products_dataset.csv", [["product_id", "product_category_name"], ["p1", "brinquedos"], ["p2", "novo"]]
    )
    names = [["product_category_name", "product_category_name_english"], ["brinquedos", "toys"]]
    export("product_category_name_translation.csv", names)
    rows = read("olist")
    assert [(row["order_id"], row["line"], row["user_id"], row["amount"]) for row in rows] == [
        ("o1", 1, "u1", 29.99),
        ("o1", 2, "u1", 29.99),
        ("o2", 1, "u1", 5),
    ]
    assert {(row["valid_from"].month, row["region"]) for row in read("olist", "users")} == {
        (10, "SP"),
        (11, "RJ"),
        (12, "SP"),
    }
    assert column(read("olist", "products"), "category") == ["toys", "novo"]
