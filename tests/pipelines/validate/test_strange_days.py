"""A night whose ids nobody knows, or on which nobody bought, in shops of several kinds."""

import shutil
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import load_settings
from pipelines.validate.step import validate

FIRST, A_DAY, NIGHT = date(2024, 3, 4), timedelta(days=1), 30
SCHEMA = pa.schema(
    {name: pa.string() for name in ("order_id", "product_id", "user_id", "source_file", "fault")}
    | {name: pa.float64() for name in ("quantity", "unit_price", "amount")}
    | {"line": pa.int64(), "ordered_at": pa.timestamp("us"), "source_line": pa.int64(), "day": pa.date32()}
)


def orders(day, orders=60, users=200, prefix="", amount=5.0, new=0.1):
    """Orders of a day: known users, and a share of new ones."""
    random = np.random.default_rng(day)
    rows = []
    for n in range(orders):
        user = f"new-{day}-{n}" if random.random() < new else f"u{random.integers(users)}"
        at = FIRST + A_DAY * day
        rows.append(
            {
                "order_id": f"{day}-{n}",
                "product_id": f"{prefix}p{random.integers(20)}",
                "line": 1,
                "user_id": prefix + user,
                "ordered_at": datetime.combine(at, time(10)),
                "quantity": 1.0,
                "unit_price": amount,
                "amount": amount,
                "source_file": "orders.csv",
                "source_line": n,
                "fault": None,
                "day": at,
            }
        )
    return rows


def stage(settings, *days):
    rows = pa.Table.from_pylist([row for day in days for row in day], SCHEMA)
    first, last = rows["day"][0].as_py(), rows["day"][-1].as_py()
    tables.replace(settings, "staging/order_lines", rows, "day", first, last + A_DAY)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Home of a shop with thirty validated days."""
    settings = load_settings().with_changes(home=tmp_path_factory.mktemp("home"))
    stage(settings, *(orders(day) for day in range(NIGHT)))
    validate(settings)
    return settings.home_path


@pytest.fixture
def loaded(settings, home):
    """Settings of a copy of that home."""
    shutil.copytree(home, settings.home_path, dirs_exist_ok=True)
    return settings


def newest(settings):
    return tables.days(settings, "raw/order_lines")[-1]


def test_ids_of_another_format_stop_the_night(loaded):
    stage(loaded, orders(NIGHT, prefix="usr_"))
    with pytest.raises(PurseError, match=r"(?s)known values of user_id.*2024-04-03 \(0\).*known values of product_id"):
        validate(loaded)
    assert newest(loaded) == FIRST + A_DAY * (NIGHT - 1)
    validate(loaded.with_changes(ingest__min_usual_share=0.0))
    assert newest(loaded) == FIRST + A_DAY * NIGHT
    stage(loaded, orders(NIGHT + 1, prefix="usr_"))
    validate(loaded)  # some of them are known by now


def test_a_night_on_which_nobody_bought_stops(loaded):
    stage(loaded, orders(NIGHT, amount=0.0))
    with pytest.raises(PurseError, match=r"order lines with a positive amount.*2024-04-03 \(0\).*MIN_USUAL_SHARE=0"):
        validate(loaded)


def test_a_night_without_any_order_is_named(loaded):
    stage(loaded, orders(NIGHT))
    result = validate(loaded, FIRST + A_DAY * NIGHT, FIRST + A_DAY * (NIGHT + 2))
    assert any("the day has rows" in text and "2024-04-04 (0)" in text for text in result.warnings)


def test_a_day_of_many_new_customers_passes(loaded):
    stage(loaded, orders(NIGHT, orders=300, new=0.8))
    validate(loaded)
    assert newest(loaded) == FIRST + A_DAY * NIGHT


@pytest.mark.parametrize("new", [1.0, 0.9])
def test_a_shop_whose_customers_come_once_passes(settings, new):
    stage(settings, *(orders(day, new=new) for day in range(NIGHT)))
    validate(settings)
    stage(settings, orders(NIGHT, new=1.0))
    validate(settings)


def test_the_first_load_of_a_history_with_two_formats_only_warns(settings):
    stage(settings, *(orders(day, prefix="" if day < 20 else "usr_") for day in range(NIGHT)))
    assert any("user_id_of_usual" in text and "2024-03-24 (0)" in text for text in validate(settings).warnings)
    stage(settings, orders(NIGHT, prefix="usr_"))
    validate(settings)
