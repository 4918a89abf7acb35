"""The key is checked before anything else of a request is read, and guesses at keys are counted."""

import json
import re
from datetime import UTC, datetime

import pytest
from fastapi.routing import APIRoute

from pipelines.live.keys import Keys
from pipelines.settings import load_settings
from serving.api.rates import Rate
from serving.api.security import scope_of
from serving.app import create_app
from tests.security.raw import answer_to, connected
from tests.serving.servers import wait_until

NOW = datetime.now(UTC)
OPEN = {"/healthz", "/readyz", "/docs", "/docs/{name}"}


def key(home, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {Keys(home.serving_folder).create('shop', scopes, NOW)[1]}"}


def wrong(number: int = 0) -> dict[str, str]:
    return {"Authorization": f"Bearer purse_{number:08x}_guess"}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/orders", "/v1/score", "/v1/scores", "/v1/admin/rollback"])
def test_a_wrong_key_is_refused_before_the_body_arrives(client, path):
    """The body never comes: whoever waits for it does not answer."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer wrong\r\n"
    for body in ("content-length: 900000", "transfer-encoding: chunked", "content-length: 9\r\nexpect: 100-continue"):
        with connected(client) as wire:
            wire.sendall(f"{head}content-type: application/json\r\n{body}\r\n\r\n".encode())
            assert answer_to(wire).startswith("HTTP/1.1 401 ")


def test_a_body_that_is_no_json_or_too_large_says_nothing_to_a_wrong_key(client):
    for body in (b"{", b"\xff", b"[" * 100_000, b" " * 1_500_000):
        answer = client.post("/v1/events", content=body, headers={"content-type": "application/json", **wrong()})
        assert answer.status_code == 401


def test_a_client_above_its_rate_is_refused_before_the_body_arrives(home, serve):
    client = serve(home.with_changes(serving__rate_limit="1/minute"))
    assert client.get("/v1/users/ann/score").status_code == 200
    with connected(client) as wire:
        wire.sendall(b"POST /v1/scores HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\n\r\n")
        assert answer_to(wire).startswith("HTTP/1.1 429 ")


def test_a_request_counts_once(home, serve):
    client = serve(home.with_changes(serving__rate_limit="3/minute"))
    asked = [client.post("/v1/scores", json={"user_ids": ["ann"]}).status_code for _ in range(4)]
    assert asked == [200, 200, 200, 429]


def test_every_route_but_health_needs_a_key(tmp_path):
    app = create_app(load_settings().with_changes(home=str(tmp_path)))
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes if scope_of(route) is None} == OPEN
    assert {type(route.app).__name__ for route in routes if scope_of(route)} == {"_KeyFirst"}
    assert {route.path for route in app.routes} - {route.path for route in routes} == {"/openapi.json"}


def test_guesses_are_counted_wherever_they_are_made_and_a_key_works_meanwhile(home, serve):
    public = serve(home.with_changes(services__host="0.0.0.0", serving__refused_limit="6/minute"), ready=False)  # noqa: S104
    good = key(home, "read")
    for number, path in enumerate(("/readyz", "/metrics", "/", "/v1/tiers", "/v1/users/ann/score", "/users.csv")):
        assert public.get(path, headers=wrong(number)).status_code in (200, 401, 503)
        assert public.get("/metrics", headers=good).status_code == 200  # does not reset the count
    for number in range(3):
        refused = public.get("/v1/tiers", headers=wrong(100 + number) | {"X-Forwarded-For": f"192.0.2.{number}"})
        assert refused.status_code == 429
    assert public.post("/v1/events", headers=wrong(), content=b"{").status_code == 429
    assert public.get("/metrics", headers=good).status_code == 200


def test_a_request_without_a_key_or_as_basic_counts_too(home, serve):
    public = serve(home.with_changes(services__host="0.0.0.0", serving__refused_limit="2/minute"), ready=False)  # noqa: S104
    assert public.get("/metrics").status_code == 401
    assert public.get("/metrics", auth=("", "guess")).status_code == 401
    assert public.get("/metrics").status_code == 429


def test_a_rate_remembers_a_bounded_number_of_names_and_refills():
    now = [0.0]
    rate = Rate("rate_limit", "60/minute", most_names=100, clock=lambda: now[0])
    assert [rate.hit("one") for _ in range(61)] == [True] * 60 + [False]
    now[0] = 1.0
    assert [rate.hit("one") for _ in range(2)] == [True, False]
    for number in range(1000):
        assert rate.hit(f"{number}")
    assert len(rate) == 100
    now[0] = 61.0
    assert [rate.hit("999") for _ in range(61)] == [True] * 60 + [False]


def test_a_trailing_slash_leads_nowhere(client):
    for host in ("localhost", "evil.example"):
        answer = client.get("/v1/tiers/", headers={"host": host}, follow_redirects=False)
        assert (answer.status_code, answer.headers.get("location")) == (404, None)


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_what_is_wrong_is_for_readers_only(home, serve, path):
    public = serve(home.with_changes(services__host="0.0.0.0"))  # noqa: S104
    public.app.state.service.problem = "secret of /srv/house"
    for headers in ({}, wrong(), {"X-Forwarded-For": "127.0.0.1"}, key(home, "write")):
        assert public.get(path, headers=headers).json() in ({"ready": True}, {"status": "alive"})
    if path == "/readyz":
        assert public.get(path, headers=key(home, "read")).json()["problem"] == "secret of /srv/house"


def test_the_log_names_the_address_of_a_refused_request(home, serve, caplog):
    public = serve(home.with_changes(services__host="0.0.0.0"), ready=False)  # noqa: S104

    def lines() -> list[dict]:
        told = [json.loads(one.getMessage()) for one in caplog.records if one.name == "purse.access"]
        return [line for line in told if line["route"] == "/metrics"]

    with caplog.at_level("INFO", "purse.access"):
        public.get("/metrics", headers=wrong() | {"X-Forwarded-For": "key deadbeef"})
        public.get("/metrics", headers=key(home, "read") | {"X-Forwarded-For": "key deadbeef"})
        wait_until(lambda: len(lines()) == 2, "each request has its line", 20)
    refused, read = lines()
    assert (refused["status"], refused["who"]) == (401, "127.0.0.1")
    assert re.fullmatch(r"key [0-9a-f]{8}", read["who"])
    assert "deadbeef" not in read["who"]
