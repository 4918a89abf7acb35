import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pipelines.settings import REPOSITORY
from serving.engine.process import EngineStoppedError
from tests.serving import stand_in
from tests.serving.api.test_scores import order, spend
from tests.serving.servers import wait_until

DAY = date(2001, 3, 1)


def event(number: int = 1, user_id: str = "ann", **changes):
    row = {"event_id": f"e{number}", "user_id": user_id, "occurred_at": "2001-03-01T00:00:00", "event_type": "view"}
    return row | changes


def send(client, *rows, kind="orders"):
    return client.post(f"/v1/{kind}", json={"order_lines" if kind == "orders" else "events": list(rows)})


def test_the_next_score_counts_what_happened_within_a_second(client):
    answer = send(client, order(1), order(2, "new"))
    began = time.monotonic()
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 0)
    assert answer.json()["model_version"] == "1"
    wait_until(lambda: client.get("/v1/users/ann/score").json()["live"], "the score is live", seconds=2)
    assert time.monotonic() - began < 1
    found = client.get("/v1/users/ann/score").json()
    assert (found["expected_spend"], found["snapshot_date"]) == (350.0, "2001-03-02")
    wait_until(lambda: client.get("/v1/users/new/score").status_code == 200, "who is new has a score")
    assert send(client, event(), kind="events").status_code == 202
    wait_until(lambda: spend(client, "ann") == 350.01, "the event counts")


def test_a_row_sent_again_changes_nothing(client):
    send(client, order(1))
    wait_until(lambda: spend(client, "ann") == 350, "the order counts")
    again = send(client, order(1), order(1), order(2, amount=1))
    assert (again.json()["accepted"], again.json()["duplicates"]) == (1, 2)
    wait_until(lambda: spend(client, "ann") == 351, "only the new order counts")


def test_ids_are_read_in_the_forms_of_the_source_and_nobody_is_refused(home, serve, tmp_path):
    stand_in.champion(home, "1", DAY)
    text = (REPOSITORY / "conf" / "sources" / "tafeng.yaml").read_text()
    (tmp_path / "forms.yaml").write_text(f"{text}\nids: [trim, lower]\nnobody: [guest]\n")
    client = serve(home.with_changes(source=str(tmp_path / "forms.yaml")))
    assert send(client, order(1, " Ann ")).status_code == 202
    wait_until(lambda: spend(client, "ann") == 350, "the order counts for the user that the batch knows")
    assert spend(client, "Ann") == 350
    assert client.get("/v1/users/ANN/explanation").json()["user_id"] == "ann"
    answer = client.post("/v1/scores", json={"user_ids": ["ANN", "ann", "Nemo"]}).json()
    assert ([one["user_id"] for one in answer["scores"]], answer["unknown"]) == (["ann"], ["Nemo"])
    refused = send(client, order(2, "GUEST"), order(3, "bob"))
    assert refused.status_code == 422
    assert refused.json()["faults"] == [
        {"row": 0, "rule": "of_somebody", "message": "the id is not among those that the source calls nobody's"}
    ]


def test_rows_may_come_in_any_order(home, serve):
    stand_in.champion(home, "1", date.today() - timedelta(days=3))  # noqa: DTZ011
    client = serve(home.with_changes(serving__clock="wall"))
    now = client.app.state.service.clock.now()
    days = [now - timedelta(days=ago) for ago in (0, 2, 1)]
    for number, moment in enumerate(days):
        assert send(client, order(number, ordered_at=moment.isoformat())).status_code == 202
    wait_until(lambda: spend(client, "ann") == 450, "all three count")
    engine = client.app.state.service.current.engine.result()
    wait_until(lambda: {"o1", "o2"} <= set(engine.closed_days), "the engine knows the days that are over")
    assert "o0" not in engine.closed_days


def test_an_order_of_today_is_accepted_even_if_the_batch_counted_today(home, serve):
    today = datetime.now(UTC).date()
    stand_in.champion(home, "1", today + timedelta(days=1))
    client = serve(home.with_changes(serving__clock="wall"))
    now = client.app.state.service.clock.now()
    assert send(client, order(1, ordered_at=now.isoformat())).status_code == 202
    before = send(client, order(2, ordered_at=(now - timedelta(days=1)).isoformat()))
    assert before.json()["faults"][0]["rule"] == "not_before_snapshot"


def test_a_time_with_an_offset_is_brought_to_the_shops_zone(home, serve, in_taipei):
    client = serve(home.with_changes(source=in_taipei))
    assert send(client, order(1, ordered_at="2001-02-28T16:00:00Z")).status_code == 202
    assert send(client, order(2, ordered_at="2001-02-28T15:59:59Z")).status_code == 422


def test_a_row_is_judged_by_the_rules_of_a_person_as_well(home, serve, in_taipei):
    own = Path(in_taipei).with_name("expectations") / "taipei" / "order_lines.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "rules:\n- {column: unit_price, max: 500, severity: critical}\n- {column: quantity, max: 1}\n"
        "- {column: discount, max_null_share: 0, severity: critical}\n"  # which the source does not give
    )
    client = serve(home.with_changes(source=in_taipei))
    assert send(client, order(1, quantity=2)).status_code == 202
    answer = send(client, order(2, unit_price=501))
    assert answer.status_code == 422
    assert [fault["rule"] for fault in answer.json()["faults"]] == ["own_unit_price_from_any_to_500"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"amount": -5}, "amount_not_negative_when_bought"),
        ({"quantity": 0}, "quantity_not_zero"),
        ({"user_id": " "}, "user_id_not_blank"),
        ({"unit_price": -1}, "unit_price_not_negative"),
        ({"ordered_at": "2001-02-28T23:59:59"}, "not_before_snapshot"),
        ({"ordered_at": "2001-03-02T00:06:00"}, "not_in_the_future"),
        ({"ordered_at": "yesterday"}, "ordered_at"),
        ({"quantity": "many"}, "quantity"),
        ({"line": 2**63}, "line"),
        ({"amount": 1e16}, "amount"),
        ({"colour": "red"}, "colour"),
        ({"order_id": "a\0b"}, "order_id"),
    ],
)
def test_a_faulty_row_is_named_with_the_rule_of_the_batch_and_none_is_taken(client, changes, rule):
    answer = send(client, order(1), order(2, **changes))
    assert answer.status_code == 422
    assert [(fault["row"], fault["rule"].split(".")[-1]) for fault in answer.json()["faults"]] == [(1, rule)]
    assert send(client, order(1)).json()["accepted"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"order_lines": []}',
        b'{"order_lines": [{"amount": NaN}]}',
        b'{"order_lines": "\\ud800"}',
        b"\xff",
    ],
)
def test_a_malformed_body_is_told_without_an_internal_error(client, content):
    answer = client.post("/v1/orders", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_too_many_rows_are_refused(client):
    assert send(client, *[event(number) for number in range(1001)], kind="events").status_code == 422


def test_a_user_who_cannot_be_scored_holds_up_nobody(client):
    send(client, order(1, "poison"), order(2), order(3, "bob"))
    wait_until(lambda: spend(client, "ann") == 350 and spend(client, "bob") == 150, "the others are scored")
    assert "purse_live_failures_total 1.0" in client.get("/metrics").text


def test_an_engine_whose_process_dies_is_opened_again(client):
    service = client.app.state.service
    dead = service.current.engine.result()
    dead.score = lambda *_: dead.failing(EngineStoppedError("it died"))
    send(client, order(1))
    wait_until(lambda: spend(client, "ann") == 350, "another engine has scored")
    assert service.current.engine.result() is not dead


def started(home) -> subprocess.Popen:
    """The service in a process of its own, once it is ready."""
    code = "import sys; from tests.serving import stand_in; stand_in.main(int(sys.argv[1]))"
    environment = {**os.environ, "PURSE_HOME": str(home.home_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, str(home.serving.port)], env=environment)
    wait_until(lambda: _status(f"http://127.0.0.1:{home.serving.port}/readyz") == 200, "the service is ready")
    return process


def ended(process: subprocess.Popen, how: signal.Signals) -> None:
    process.send_signal(how)
    process.wait(timeout=20)


def test_what_was_accepted_survives_a_kill_right_after_the_answer(home):
    stand_in.champion(home, "1", DAY)
    with httpx.Client(base_url=f"http://127.0.0.1:{home.serving.port}", trust_env=False) as client:
        process = started(home)
        try:
            assert send(client, order(1)).status_code == 202
        finally:
            ended(process, signal.SIGKILL)
        process = started(home)
        try:
            wait_until(lambda: spend(client, "ann") == 350, "the order counts")
            assert send(client, order(1)).json()["duplicates"] == 1
        finally:
            ended(process, signal.SIGTERM)


@pytest.mark.long
def test_what_was_accepted_survives_twenty_kills_at_any_moment(home):
    stand_in.champion(home, "1", DAY)
    moments, sent, accepted = random.Random(7), 0, []
    with httpx.Client(base_url=f"http://127.0.0.1:{home.serving.port}", trust_env=False) as client:
        for _ in range(20):
            process = started(home)
            timer = threading.Timer(moments.uniform(0, 0.5), process.kill)
            timer.start()
            with contextlib.suppress(httpx.TransportError):
                while True:
                    sent += 1
                    if send(client, order(sent)).status_code == 202:
                        accepted.append(sent)
            process.wait(timeout=20)
        process = started(home)
        try:
            assert len(accepted) > 20
            assert [send(client, order(number)).json()["duplicates"] for number in accepted] == [1] * len(accepted)
        finally:
            ended(process, signal.SIGTERM)


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.HTTPError:
        return None
