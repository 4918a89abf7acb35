"""An id that was sent before with other content: refused in words, counted and recorded, never dropped silently."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from pipelines.live.keys import Keys
from tests.serving.api.test_events import event, send
from tests.serving.api.test_scores import order, spend
from tests.serving.servers import wait_until


@pytest.fixture
def audit(home) -> Callable[[], list[dict]]:
    return lambda: [json.loads(line) for line in (home.serving_folder / "audit.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "changes", [{"amount": 20}, {"user_id": "bob"}, {"ordered_at": "2001-03-01T00:00:01"}, {"discount": 0}]
)
def test_an_order_with_other_content_is_409_and_the_first_counts(client, changes):
    assert send(client, order(1)).status_code == 202
    answer = send(client, order(1, **changes))
    assert answer.status_code == 409
    (fault,) = answer.json()["faults"]
    assert (fault["row"], fault["rule"]) == (0, "conflict")
    assert fault["message"] == "order_id 'o1', product_id 'p', line 1 was sent before with other content"
    wait_until(lambda: spend(client, "ann") == 350, "the first counts")
    assert 'purse_rows_total{outcome="conflict",table="order_lines"} 1.0' in client.get("/metrics").text


def test_an_event_with_other_content_is_409(client):
    assert send(client, event(1), kind="events").status_code == 202
    answer = send(client, event(1, event_type="cart_add"), kind="events")
    assert answer.status_code == 409
    assert answer.json()["faults"][0]["message"].startswith("event_id 'e1' was sent before")


def test_the_same_content_is_a_duplicate_however_it_is_written(client):
    assert send(client, order(1)).status_code == 202
    for same in (
        order(1),
        dict(reversed(order(1).items())),
        order(1, amount=50.0, quantity=1.0),
        order(1, discount=None),
        order(1, ordered_at="2001-03-01T00:00:00Z"),
        order(1, ordered_at="2001-03-01T02:00:00.000+02:00"),
    ):
        answer = send(client, same)
        assert (answer.status_code, answer.json().get("duplicates")) == (202, 1), same


def test_of_a_batch_every_conflict_is_named_and_no_row_is_taken(client):
    send(client, order(1), order(2))
    answer = send(client, order(3), order(1, amount=1), order(2), order(4), order(4, amount=7))
    assert answer.status_code == 409
    assert [fault["row"] for fault in answer.json()["faults"]] == [1, 4]
    assert "2 of 5 rows" in answer.json()["error"]
    again = send(client, order(3), order(2), order(4))
    assert (again.json()["accepted"], again.json()["duplicates"]) == (2, 1)


def test_who_takes_the_ids_of_another_client_is_found_out(home, serve, audit):
    public = serve(home.with_changes(services__host="0.0.0.0"))  # noqa: S104
    (shop, shop_text), (thief, thief_text) = (
        Keys(home.serving_folder).create(name, ("write", "read"), datetime.now(UTC)) for name in ("shop", "thief")
    )

    def post(text: str, *rows: dict) -> httpx.Response:
        return public.post("/v1/orders", json={"order_lines": rows}, headers={"Authorization": f"Bearer {text}"})

    assert post(thief_text, order(1, amount=1)).status_code == 202
    answer = post(shop_text, order(1), order(2))
    assert answer.status_code == 409
    assert answer.json()["faults"][0]["message"].endswith("with other content by another sender")
    assert thief.key_id not in answer.text
    line = audit()[-1]
    assert (line["action"], line["outcome"]) == ("order_lines.conflict", "refused")
    assert (line["who"], line["stored_from"]) == (f"key {shop.key_id}", f"key {thief.key_id}")
    assert "order_id 'o1'" in line["first"]
    assert "user" not in line["first"]
    assert post(shop_text, order(2)).json()["accepted"] == 1
    assert post(thief_text, order(2)).json()["duplicates"] == 1


def test_of_many_contents_at_once_exactly_one_is_accepted(client):
    rows = [order(1, amount=number) for number in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda row: send(client, row).status_code, rows))
    assert sorted(answers) == [202] + [409] * 15
    amount = rows[answers.index(202)]["amount"]
    wait_until(lambda: spend(client, "ann") == 300 + amount, "the accepted one counts")
