"""Runs by Airflow itself of the real commands, on a shop of 41 order lines."""

from pathlib import Path
from typing import Any

import pytest

SOURCE = """
title: a small shop
tables:
  order_lines:
    from: {files: orders.csv}
    columns:
      order_id: number
      product_id: product
      line: _line
      user_id: customer
      ordered_at: day
      quantity: "1"
      unit_price: price
      amount: price
"""


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """40 sound lines of 2001-01-01 to 2001-01-04, ten a day, and one without a date."""
    file = tmp_path / "orders.csv"
    lines = [f"{n},p{n % 3},u{n % 7},2001-01-{n % 4 + 1:02},{n % 5 + 1}" for n in range(40)]
    file.write_text("\n".join(["number,product,customer,day,price", *lines, "40,p1,u1,soon,2"]) + "\n")
    source = tmp_path / "shop.yaml"
    source.write_text(SOURCE)
    monkeypatch.setenv("PURSE_SOURCE", str(source))
    return file


def result(done: Any, task_id: str) -> Any:
    return done.get_task_instance(task_id).xcom_pull(task_ids=task_id)


@pytest.mark.usefixtures("orders")
def test_orders_arrive_are_validated_and_wait_for_a_champion(run: Any, states: Any) -> None:
    ingested = run("ingest_daily")
    assert states(ingested) == {"ingest": "success", "validate": "success", "announce_orders": "success"}
    assert states(run("ingest_daily"))["announce_orders"] == "skipped"  # no row has changed
    lines = result(ingested, "validate")["tables"]["order_lines"]
    assert (lines["rows_in"], lines["rows_kept"], lines["rows_quarantined"]) == (41, 40, 1)

    scored = run("score_daily", run_conf={"snapshot_date": "2001-01-04"})
    steps = ("snapshot_date", "build_features", "score", "deploy", "newer", "run_again")
    assert states(scored) == dict.fromkeys(steps, "skipped")


def test_a_missing_file_stops_the_run_before_anything_is_written(
    run: Any, states: Any, orders: Path, tmp_path: Path
) -> None:
    orders.unlink()
    stopped = states(run("ingest_daily"))
    assert stopped == {"ingest": "failed", "validate": "upstream_failed", "announce_orders": "upstream_failed"}
    assert not (tmp_path / "lake" / "raw").exists()
