"""A corrected source file: nothing of the first try stays in the lake unnoticed."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import PurseError
from pipelines.ingest.step import ingest
from pipelines.lake import tables as lake
from pipelines.validate.step import validate
from tests.pipelines.ingest.conftest import write

HEAD = ["order_id", "product_id", "user_id", "ordered_at", "quantity", "amount"]
TIMES = [f"0{1 + n % 9}/0{1 + n % 3}/2024 10:00" for n in range(90)]
"""Both formats read them: days of the first tries lie in months that the second lacks."""

SOURCE = """title: A shop
tables:
  order_lines:
    from: {{files: orders.csv}}
    columns:
      {{order_id: order_id, product_id: product_id, line: "1", user_id: user_id, quantity: quantity,
       ordered_at: "strptime(ordered_at, '{form}')", unit_price: amount, amount: amount}}
"""


@pytest.fixture
def shop(tmp_path, settings):
    write(tmp_path / "orders.csv", [HEAD, *([f"o{n}", "apple", f"u{n % 9}", at, 1, 2] for n, at in enumerate(TIMES))])

    def written(form):
        (tmp_path / "shop.yaml").write_text(SOURCE.format(form=form))
        return settings.with_changes(source=str(tmp_path / "shop.yaml"))

    return written


def days(settings, table="staging/order_lines"):
    return set(lake.days(settings, table))


RIGHT = {date(2024, 1 + n % 9, 1 + n % 3) for n in range(90)}


def test_rows_that_were_never_validated_are_staged_again(shop):
    first = ingest(shop("%d/%m/%Y %H:%M"))
    settings = shop("%m/%d/%Y %H:%M")
    result = ingest(settings)
    assert result.tables["order_lines"].rows == first.tables["order_lines"].rows == 90
    assert days(settings) == RIGHT


def test_rows_that_only_moved_to_other_days_leave_the_old_ones(shop):
    """Their keys are there still, so nothing is lost; validation follows."""
    settings = shop("%d/%m/%Y %H:%M")
    ingest(settings)
    validate(settings)
    shop("%m/%d/%Y %H:%M")
    ingest(settings.with_changes(ingest__max_lost_share=1.0))
    assert days(settings) == RIGHT
    validate(settings)
    assert days(settings, "raw/order_lines") == RIGHT


def test_days_that_only_an_earlier_version_gave_stop_the_step(shop):
    settings = shop("%m/%d/%Y %H:%M")
    ingest(settings)
    validate(settings)
    path = Path(settings.source)
    path.write_text(path.read_text().replace("    columns:", "    where: \"ordered_at < '03'\"\n    columns:"))
    with pytest.raises(PurseError, match=r"source file .* has changed .*order_lines: .*'purse ingest --replace'"):
        ingest(settings)
    assert days(settings) == RIGHT
    ingest(settings, replace=True)
    assert days(settings) == {day for day in RIGHT if day.month < 3}


def test_a_range_by_hand_is_read_and_the_next_run_reads_the_rest(shop):
    settings = shop("%d/%m/%Y %H:%M")
    ingest(settings)
    shop("%m/%d/%Y %H:%M")
    ingest(settings, date(2024, 9, 1), date(2024, 9, 10))
    assert days(settings) != RIGHT
    ingest(settings)
    assert days(settings) == RIGHT
