"""What validation says of ids and repeated lines, on the page Trust: from a shop's files to the page."""

import csv

import pytest
import yaml

from pipelines.ingest.step import ingest
from pipelines.results.result import write_result
from pipelines.validate.step import validate
from tests.serving.dashboard.test_dashboard import text_of

COLUMNS = ("order_id", "product_id", "line", "user_id", "ordered_at", "quantity", "unit_price", "amount")
IDS = ["guest"] * 20 + ["17850", "17850.0", "Ann@x.example", "ann@x.example", "tester", *(f"u{n}" for n in range(40))]


@pytest.fixture
def shop(tmp_path, settings):
    with (tmp_path / "orders.csv").open("w", newline="") as file:
        lines = [(f"o{n}", "p", 1, who, f"2025-01-{n % 10 + 1:02} 10:00:00", 1, 5, 5) for n, who in enumerate(IDS)]
        csv.writer(file).writerows([COLUMNS, *lines])
    tables = {"order_lines": {"from": {"files": "orders.csv"}, "columns": {name: name for name in COLUMNS}}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump({"title": "A shop", "tables": tables}))
    return settings.with_changes(source=str(tmp_path / "shop.yaml"))


@pytest.mark.parametrize(
    ("language", "caption", "nobody", "case"),
    [
        (
            "en",
            "Ids to look at",
            "guest usually means nobody",
            "Ann@x.example differs from another id by upper and lower",
        ),
        (
            "de",
            "Kennungen, die man ansehen sollte",
            "guest bedeutet meist niemanden",
            "Ann@x.example unterscheidet sich",
        ),
        ("zh", "需要查看的编号", "guest 通常不代表任何人", "Ann@x.example 与另一个编号"),
    ],
)
def test_trust_has_the_warnings_and_the_ids(shop, make_client, language, caption, nobody, case):
    ingest(shop)
    found = validate(shop)
    write_result(shop, found.to_date, found)
    page = text_of(make_client(shop).get(f"/trust?lang={language}"))
    assert "order_lines: 'guest' looks like nobody's id, with 30.8% of all rows, worth about 100.00" in page
    assert "2 user ids would be 1 with 'ids: [integer]' in the source file; they have 2 rows, worth about 10.00" in page
    assert "1 user id looks like a test, with 1 row, worth about 5.00" in page
    assert caption in page
    assert nobody in page
    assert case in page
