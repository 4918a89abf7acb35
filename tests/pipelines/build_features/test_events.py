"""Events from a file to features: staged, judged, split by day, reduced and built, on a real lake."""

from datetime import date

import pytest
import yaml

from pipelines.build_features.step import build_features
from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake
from pipelines.source.definition import load_source
from pipelines.validate.step import validate

ORDERS = """order,day,who,what,n,price
1,2024-01-02,ann,apple,1,1.00
1,2024-01-02,ann,pear,1,3.00
2,2024-01-03,bob,apple,2,1.00
"""
PRODUCTS = """what,kind,price
apple,fruit,1.00
pear,fruit,3.00
"""
EVENTS = """id,moment,who,did,what,session,seconds
a,2024-01-01T09:00:00,ann,view,pear,s1,10
b,2024-01-03T10:00:00,ann,view,pear,s2,20
b,2024-01-03T10:00:00,ann,view,pear,s2,20
c,2024-01-02T10:01:00,ann,cart,pear,s2,nan
d,2024-01-02T10:02:00,,view,pear,s3,5
e,2024-13-02T10:02:00,bob,view,pear,s3,5
f,2024-01-03T10:02:00,bob,view,apple,s4,-5
g,2024-01-04T10:02:00,bob,tour,apple,s5,2
"""
SOURCE = {
    "title": "A shop with events",
    "tables": {
        "order_lines": {
            "from": {"files": "orders.csv"},
            "columns": {
                "order_id": '"order"',
                "product_id": "what",
                "line": "_line",
                "user_id": "who",
                "ordered_at": "day",
                "quantity": "n",
                "unit_price": "price",
                "amount": "n::DOUBLE * price::DOUBLE",
            },
        },
        "products": {
            "from": {"files": "products.csv"},
            "columns": {"product_id": "what", "category": "kind", "list_price": "price"},
        },
        "events": {
            "from": {"files": "events.csv"},
            "columns": {
                "event_id": "id",
                "user_id": "who",
                "occurred_at": "moment",
                "event_type": "did",
                "product_id": "what",
                "session_id": "session",
                "dwell_seconds": "seconds",
            },
        },
    },
}


@pytest.fixture
def shop(tmp_path, settings):
    for name, text in {"orders": ORDERS, "products": PRODUCTS, "events": EVENTS}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(SOURCE))
    return settings.with_changes(source=str(tmp_path / "shop.yaml"), ingest__max_quarantined_share=0.5)


def read(settings, table):
    return lake.read(lake.connect(), settings, table).to_pandas()


def test_events_from_file_to_features(shop):
    staged = ingest(shop)
    assert (staged.from_date, staged.to_date) == (
        date(2024, 1, 1),
        date(2024, 1, 5),
    )
    judged = validate(shop)
    assert judged.tables["events"].reasons == {
        "readable": 2,
        "occurred_at_not_null": 1,
        "first_of_its_key": 1,
        "user_id_not_null": 1,
        "dwell_seconds_not_negative": 1,
    }
    assert any("event_type_one_of" in line for line in judged.warnings)
    raw = read(shop, "raw/events")
    assert sorted(raw.event_id) == ["a", "b", "c", "g"]
    assert raw.dwell_seconds.isna().tolist() == (raw.event_id == "c").tolist()
    assert [day.isoformat() for day in lake.days(shop, "raw/events")] == [f"2024-01-0{n}" for n in (1, 2, 3, 4)]

    built = build_features(shop, date(2024, 1, 4))
    assert {"views_28d", "sessions_28d", "viewed_price_gap_28d", "sequence_views"} <= set(built.features)
    frame = read(shop, "features").set_index("user_id")
    chosen = ["views_28d", "carts_28d", "dwell_28d", "sessions_28d", "orders_per_cart_28d", "days_since_last_visit"]
    assert frame.loc["ann", chosen].tolist() == [2, 1, 30, 3, 1, 1]  # a session over two days counts twice
    assert frame.loc["bob", "views_28d"] == 0
    assert frame.loc["ann", "viewed_price_level_28d"] == pytest.approx(1)  # of the view of 3 January
    assert [list(values) for values in frame.loc["ann", ["sequence_views", "sequence_spend"]]] == [[1, 0, 1], [0, 4, 0]]


def test_a_source_of_events_must_give_their_time(tmp_path, settings):
    columns = {name: value for name, value in SOURCE["tables"]["events"]["columns"].items() if name != "occurred_at"}
    tables = SOURCE["tables"] | {"events": SOURCE["tables"]["events"] | {"columns": columns}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(SOURCE | {"tables": tables}))
    with pytest.raises(PurseError, match=r"tables.events.columns: 'occurred_at' is missing"):
        load_source(settings.with_changes(source=str(tmp_path / "shop.yaml")))
