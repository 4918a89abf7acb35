"""What each format is read as: columns by name, ids as text, options checked, every value of every record."""

import gzip
import json
import zipfile

import pandas as pd
import pytest
import yaml

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake

COLUMNS = {
    "order_id": "order",
    "product_id": "sku",
    "line": "pos",
    "user_id": "owner",
    "ordered_at": "at",
    "quantity": "qty",
    "unit_price": "unit price",
    "amount": 'qty * "unit price"',
}
NAMES = ["order", "pos", "sku", "owner", "at", "qty", "unit price"]


@pytest.fixture
def shop(tmp_path, settings):
    """Write a source whose order lines come from `origin`."""

    def make(origin, columns=None):
        path = tmp_path / "shop.yaml"
        lines = {"from": {"files": origin} if isinstance(origin, str) else origin, "columns": columns or COLUMNS}
        path.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": lines}}))
        return settings.with_changes(source=str(path), ingest__max_quarantined_share=1.0)

    return make


def rows(settings):
    frame = lake.read(lake.connect(), settings, "staging/order_lines").to_pandas()
    return frame.sort_values(["source_file", "source_line"]).reset_index(drop=True)


def line(order, owner="ann", price="2.50", **more):
    return dict(zip(NAMES, [order, 1, "A", owner, "2025-03-01 10:00:00", 2, price], strict=True)) | more


def csv(path, *lines, names=None, separator=","):
    names = names or [*lines[0]]
    text = [separator.join(names), *(separator.join(str(one[name]) for name in names) for one in lines)]
    path.write_text("\n".join(text) + "\n")


def test_columns_named_like_words_of_sql_or_with_spaces(shop, tmp_path):
    csv(tmp_path / "orders.csv", line(1), line(2))
    settings = shop("orders.csv")
    ingest(settings)
    assert rows(settings).amount.tolist() == [5.0, 5.0]
    assert rows(settings).user_id.tolist() == ["ann", "ann"]


def test_csv_files_are_matched_by_name(shop, tmp_path):
    csv(tmp_path / "orders-1.csv", line(1))
    csv(tmp_path / "orders-2.csv", line(2, "bob", "9.00"), names=NAMES[::-1], separator=";")
    settings = shop("orders-*.csv")
    assert ingest(settings).warnings == []
    found = rows(settings)
    assert found[["order_id", "user_id", "unit_price"]].to_numpy().tolist() == [["1", "ann", 2.5], ["2", "bob", 9.0]]
    assert found.source_line.tolist() == [1, 1]


def test_a_file_without_a_column_of_the_others_is_named(shop, tmp_path):
    csv(tmp_path / "orders-1.csv", line(1))
    csv(tmp_path / "orders-2.csv", line(2, rebate=0.5), line(3, rebate=""))
    settings = shop("orders-*.csv", COLUMNS | {"discount": "coalesce(rebate, '0')"})
    (warning,) = ingest(settings).warnings
    assert "orders-1.csv has no column rebate. The values of its rows are empty there" in warning
    assert rows(settings).discount.tolist() == [0, 0.5, 0]


def test_a_file_with_other_columns_stops_the_ingest(shop, tmp_path):
    csv(tmp_path / "orders-1.csv", line(1))
    (tmp_path / "orders-2.csv").write_text("2,1,B,bob,2025-03-02,1,9.00\n")
    with pytest.raises(PurseError, match=r"orders-2.csv has the columns 2, 1, B and 4 more, and none of the other"):
        ingest(shop("orders-*.csv"))


@pytest.mark.parametrize("number", [2**53 + 1, 12345678901234567890123])
def test_json_is_read_whole_and_as_text(shop, tmp_path, number):
    lines = [line(number + n, number, "2") for n in range(20_500)] + [line(7, None, "2.75"), line(8, "x", "2", late=1)]
    for one in lines:
        one["unit price"] = float(one["unit price"]) if "." in one["unit price"] else int(one["unit price"])
    (tmp_path / "orders.jsonl").write_text("\n".join(map(json.dumps, lines)))
    settings = shop("orders.jsonl", COLUMNS | {"discount": "coalesce(late, '0')"})
    ingest(settings)
    found = rows(settings)
    assert found.order_id.nunique() == 20_502
    assert found.user_id.dropna().unique().tolist() == [str(number), "x"]
    assert found.amount.tolist()[-2:] == [5.5, 4.0]
    assert found.discount.tolist()[-1] == 1


def test_the_structure_of_many_json_files_is_read_from_all(shop, tmp_path):
    for number in range(40):
        extra = {"gift": {"price": 1.5}} if number == 39 else {}
        (tmp_path / f"orders-{number:02}.json").write_text(json.dumps([line(number, **extra)]))
    settings = shop("orders-*.json", COLUMNS | {"discount": "gift.price * 2"})
    ingest(settings)
    assert rows(settings).discount.fillna(0).tolist() == [0] * 39 + [3.0]


def test_ids_that_parquet_has_as_floats_lose_their_fraction(shop, tmp_path):
    frame = pd.DataFrame([line(n, owner) for n, owner in enumerate([17850.0, None, 2.0**53 + 2, 1.5])])
    frame.to_parquet(tmp_path / "orders.parquet")
    settings = shop("orders.parquet", COLUMNS | {"amount": "qty * 2"})
    ingest(settings)
    found = rows(settings)
    assert [value if isinstance(value, str) else None for value in found.user_id] == ["17850", None, None, "1.5"]
    assert "user_id is not a VARCHAR" in found.fault[2]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("orders.csv", {"no_such_option": 17}, "csv files have no option 'no_such_option'; allowed under .*skiprows"),
        ("orders.json", {"delimiter": ";"}, "json files have no option 'delimiter'; allowed under .*maximum_object"),
        ("orders.parquet", {"sample_size": -1}, "parquet files have no option 'sample_size'"),
        ("orders.csv", {"all_varchar": False}, "csv files have no option 'all_varchar'"),
        ("orders.csv", {"skiprows": "three"}, "cannot be read as csv"),
    ],
)
def test_options_are_checked_per_format(shop, tmp_path, name, options, message):
    csv(tmp_path / "orders.csv", line(1))
    (tmp_path / "orders.json").write_text(json.dumps([line(1)]))
    pd.DataFrame([line(1)]).to_parquet(tmp_path / "orders.parquet")
    with pytest.raises(PurseError, match=message):
        ingest(shop({"files": name, "options": options}))


def test_options_have_duckdbs_names_too(shop, tmp_path):
    csv(tmp_path / "orders.csv", line(1))
    (tmp_path / "orders.csv").write_text("Report\nof March\n\n" + (tmp_path / "orders.csv").read_text())
    settings = shop({"files": "orders.csv", "options": {"skip": 3, "delim": ","}})
    ingest(settings)
    assert rows(settings).order_id.tolist() == ["1"]


@pytest.mark.parametrize("name", ["ORDERS.CSV", "orders.Csv.GZ", "orders.ndjson", "ORDERS.PARQUET"])
def test_extensions_in_any_case(shop, tmp_path, name):
    path = tmp_path / name
    if name.endswith("GZ"):
        csv(tmp_path / "plain", line(1))
        path.write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    elif name.endswith("PARQUET"):
        pd.DataFrame([line(1, price=2.5)]).to_parquet(path)
    elif name.endswith("ndjson"):
        path.write_text(json.dumps(line(1)))
    else:
        csv(path, line(1))
    settings = shop(name)
    ingest(settings)
    assert rows(settings).amount.tolist() == [5.0]


def test_files_of_two_formats_are_refused(shop, tmp_path):
    csv(tmp_path / "orders.csv", line(1))
    (tmp_path / "orders.json").write_text(json.dumps([line(1)]))
    with pytest.raises(PurseError, match=r"expected files of one format, found .*orders.csv and .*orders.json"):
        ingest(shop("orders.*"))


def test_a_zip_archive_made_on_a_mac(shop, tmp_path):
    csv(tmp_path / "orders.csv", line(1))
    with zipfile.ZipFile(tmp_path / "orders.ZIP", "w") as archive:
        archive.writestr("export/orders.csv", (tmp_path / "orders.csv").read_text())
        for hidden in ("__MACOSX/export/._orders.csv", "export/.DS_Store", "export/._orders.csv"):
            archive.writestr(hidden, b"\x00\x05\x16\x07")
    settings = shop("orders.ZIP")
    ingest(settings)
    assert rows(settings).order_id.tolist() == ["1"]


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")])
def test_an_empty_file_among_many_is_named_and_stops_nothing(shop, tmp_path, content):
    csv(tmp_path / "plain", line(1))
    (tmp_path / "orders-1.csv.gz").write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    (tmp_path / "orders-2.csv.gz").write_bytes(content)
    settings = shop("orders-*.csv.gz")
    (warning,) = ingest(settings).warnings
    assert warning.endswith("orders-2.csv.gz is empty.")
    assert rows(settings).order_id.tolist() == ["1"]


def test_lines_above_the_names_are_counted(shop, tmp_path):
    csv(tmp_path / "orders.csv", *(line(n) for n in range(9)))
    text = (tmp_path / "orders.csv").read_text()
    (tmp_path / "orders.csv").write_text(f"Report\nof March\n\n{text}Total,,,,,,\n")
    with pytest.raises(PurseError, match=r"orders.csv line 4 looks like the names .* Write options: {skiprows: 3}"):
        ingest(shop("orders.csv"))
    settings = shop({"files": "orders.csv", "options": {"skiprows": 3}})
    ingest(settings)
    assert rows(settings).fault.notna().tolist() == [False] * 9 + [True]
