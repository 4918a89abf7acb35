"""Under overload a bounded number of requests is worked on; the others are refused at once."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from serving.api.scores import MOST_COMPUTED
from serving.engine.engines import Engines
from tests.security.raw import answer_to, connected
from tests.serving.servers import wait_until
from tests.serving.stand_in import StandInEngine, prepare

SLOW = "/v1/users/new/score?cold_start=true"
ROW = {"event_id": "1", "user_id": "ann", "occurred_at": "2001-03-01T00:00:01", "event_type": "view"}
BODY = json.dumps({"events": [ROW]}).encode()
HEAD = b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
POST = HEAD % len(BODY) + BODY
GET = b"GET /v1/users/ann/score HTTP/1.1\r\nhost: localhost\r\n\r\n"


class HeldEngine(StandInEngine):
    """Scores nobody before `go` is set."""

    go = threading.Event()

    def score(self, *arguments) -> Future:
        future: Future = Future()
        future.set_running_or_notify_cancel()  # as the engine's
        answer = super().score(*arguments).result()
        threading.Thread(target=lambda: self.go.wait(30) and future.set_result(answer), daemon=True).start()
        return future


@pytest.fixture
def busy(home, serve):
    """Client of a service with 4 places, of which 4 slow reads can take all; `go()` lets them end."""
    HeldEngine.go.clear()
    client = serve(home.with_changes(serving__max_requests=4), engines=Engines(prepare, HeldEngine))
    client.held = []
    with ThreadPoolExecutor(8) as pool:

        def hold(requests: int) -> None:
            before = len(client.held)
            wait_until(lambda: taken(client) == before, "earlier requests have left")
            client.held += [
                pool.submit(httpx.get, f"{client.base_url}{SLOW}", trust_env=False) for _ in range(requests)
            ]
            wait_until(lambda: taken(client) >= before + requests, "the slow reads have their places")

        client.hold = hold
        yield client
        HeldEngine.go.set()


def taken(client: httpx.Client) -> int:
    places = [one.admission.taken for one in client.server.server_state.connections]
    return places[0] if places else 0


@pytest.mark.parametrize(
    ("held", "refused"), [(0, set()), (1, {"page"}), (2, {"page", "write"}), (4, {"page", "write", "read"})]
)
def test_pages_give_way_before_writes_and_writes_before_reads(busy, held, refused):
    busy.hold(held)
    answers = {
        "page": busy.get("/glossary"),
        "write": busy.post("/v1/events", json={"events": [ROW]}),
        "read": busy.get("/v1/users/ann/score"),
        "always": busy.get("/healthz"),
    }
    assert {kind for kind, answer in answers.items() if answer.status_code == 503} == refused
    assert all(answers[kind].headers["retry-after"] == "1" for kind in refused)
    assert all("Try again in a second" in answers[kind].json()["error"] for kind in refused)
    HeldEngine.go.set()
    assert [one.result().status_code for one in busy.held] == [200] * held
    assert busy.get("/v1/users/ann/score").status_code == 200
    for kind in refused:
        assert f'purse_shed_requests_total{{kind="{kind}"}} 1.0' in busy.get("/metrics").text


def test_a_refused_request_leaves_its_connection_usable(busy):
    busy.hold(4)
    with connected(busy) as wire:
        for request in (GET, POST, GET):
            wire.sendall(request)
            assert answer_to(wire).startswith("HTTP/1.1 503 ")
        wire.sendall(POST[:-5])
        assert answer_to(wire).startswith("HTTP/1.1 503 ")
        HeldEngine.go.set()
        assert [one.result().status_code for one in busy.held] == [200] * 4
        wire.sendall(POST[-5:] + GET)
        assert answer_to(wire).startswith("HTTP/1.1 200 ")


def test_a_connection_that_is_not_to_be_kept_is_closed_after_a_refusal(busy):
    busy.hold(4)
    with connected(busy) as wire:
        wire.sendall(b"GET /v1/tiers HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert "connection: close" in answer_to(wire)
        assert wire.recv(1) == b""


def test_a_refused_row_was_not_stored_and_can_be_sent_again(busy):
    busy.hold(2)
    assert busy.post("/v1/events", json={"events": [ROW]}).status_code == 503
    HeldEngine.go.set()
    assert [one.result().status_code for one in busy.held] == [200] * 2
    assert busy.post("/v1/events", json={"events": [ROW]}).json()["accepted"] == 1


def test_places_of_clients_that_left_are_free_again(busy):
    for _ in range(3):
        with connected(busy) as wire:
            wire.sendall(f"GET {SLOW} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() + GET + GET)
            wait_until(lambda: taken(busy) >= 3, "the requests have their places")
        HeldEngine.go.set()
        wait_until(lambda: busy.get("/healthz") and taken(busy) == 0, "the places are free")
        HeldEngine.go.clear()


def test_a_read_is_given_up_after_a_time(home, serve):
    HeldEngine.go.clear()
    client = serve(home.with_changes(serving__read_seconds=0.3), engines=Engines(prepare, HeldEngine))
    answer = client.get(SLOW)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "no answer within 0.3 seconds" in answer.json()["error"]
    HeldEngine.go.set()
    assert client.get(SLOW).status_code == 200


def test_few_scores_are_computed_at_once(home, serve):
    HeldEngine.go.clear()
    client = serve(home, engines=Engines(prepare, HeldEngine))
    service = client.app.state.service
    with ThreadPoolExecutor(MOST_COMPUTED) as pool:
        held = [pool.submit(httpx.get, f"{client.base_url}{SLOW}", trust_env=False) for _ in range(MOST_COMPUTED)]
        wait_until(lambda: service.computing == MOST_COMPUTED, "the engine has its work")
        refused = client.get(SLOW)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert client.get("/v1/users/ann/score").status_code == 200
        HeldEngine.go.set()
        assert {one.result().status_code for one in held} == {200}
    assert service.computing == 0
