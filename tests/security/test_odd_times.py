"""Times and numbers at the ends of what exists: an answer in JSON, and a connection that goes on."""

import logging

import httpx
import pytest

from serving.stores.protocol import StoreUnavailableError
from tests.serving.api.test_events import event, send
from tests.serving.api.test_scores import order
from tests.serving.servers import wait_until

ODD = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00-14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999+14:00",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59Z",
    "1899-12-31T23:59:59Z",
    "2200-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "1900-01-01T00:00:00+23:59",
    "2199-12-31T23:59:59-23:59",
    "2001-03-01T00:00:00+24:00",
    "2001-02-29T00:00:00Z",
    "2001-03-01T24:00:00Z",
    "2001-03-01T23:59:60Z",
    -62135596800,
    253402300799,
    253402300800,
    2**63,
    -(2**63),
    1e300,
    True,
    "",
]
NUMBERS = [2**53, 2**63, -(2**63) - 1, 10**400, 1e15, -1e16, 1e-320, -0.0, "1e999", "NaN", "Infinity", True, None]


@pytest.fixture
def connections(client) -> list[str]:
    """Names of the connections that the client opens."""
    opened: list[str] = []

    def trace(name: str, info: dict) -> None:
        if name == "connection.connect_tcp.complete":
            opened.append(str(info["return_value"]))

    client.event_hooks["request"].append(lambda request: request.extensions.update(trace=trace))
    client.get("/healthz")
    opened.clear()
    return opened


@pytest.fixture(params=["plain", "taipei"])
def anywhere(request, home, serve, in_taipei) -> httpx.Client:
    """A shop in UTC, and one whose zone is ahead."""
    return serve(home if request.param == "plain" else home.with_changes(source=in_taipei))


def test_odd_times_are_refused_or_taken_and_never_a_failure(anywhere):
    for moment in ODD:
        for answer in (
            send(anywhere, order(1, ordered_at=moment)),
            send(anywhere, event(1, occurred_at=moment), kind="events"),
        ):
            assert answer.status_code == 422, moment
            assert answer.json()["faults"][0]["row"] == 0


def test_odd_times_of_a_user_never_seen_before_are_no_failure(anywhere):
    for moment in ODD:
        line = {name: value for name, value in order(1, ordered_at=moment).items() if name != "user_id"}
        happened = {name: value for name, value in event(1, occurred_at=moment).items() if name != "user_id"}
        for body in ({"order_lines": [line]}, {"events": [happened]}, {"profile": {"registered_at": moment}}):
            answer = anywhere.post("/v1/score", json=body)
            assert answer.status_code in (200, 422, 503), (moment, answer.text)
            assert answer.json()


@pytest.mark.parametrize("column", ["quantity", "unit_price", "amount", "line", "discount"])
def test_odd_numbers_are_no_failure(client, column):
    for number in NUMBERS:
        assert send(client, order(1, **{column: number})).status_code in (202, 409, 422), number


def test_a_message_about_a_time_names_the_years(client):
    answer = send(client, order(1, ordered_at="0001-01-01T00:00:00+14:00"))
    assert "the year must be from 1900 to 2199" in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/ann/score?cold_start=2",
        "/v1/users/ann/score?cold_start=%00",
        "/users?user_id=%00",
        "/users?user_id=" + "a" * 5000,
        "/model?version=" + "9" * 5000,
        "/?tier=%ff&basis=%00",
        "/users.csv?tier=%00",
        "/v1/users/%00/score",
        "/v1/users/%ff/explanation",
    ],
)
def test_odd_parameters_are_no_failure(client, path):
    answer = client.get(path)
    assert answer.status_code < 500 or answer.status_code == 503, answer.text


@pytest.mark.parametrize("error", [RuntimeError("secret of the house"), StoreUnavailableError("away"), MemoryError()])
def test_after_a_failure_the_next_request_goes_over_the_same_connection(
    client, connections, monkeypatch, caplog, error
):
    async def broken(_):
        raise error

    monkeypatch.setattr(client.app.state.service.store, "score", broken)
    for _ in range(3):
        answer = client.get("/v1/users/ann/score")
        assert answer.status_code == (503 if isinstance(error, StoreUnavailableError) else 500)
        assert answer.headers["content-type"] == "application/json"
        assert "secret" not in answer.text
        assert answer.json()["error"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["purse-release"] == "1-2001-03-01"
    assert client.get("/healthz").status_code == 200
    assert connections == []
    if isinstance(error, RuntimeError):
        failures = [one for one in caplog.records if one.levelno == logging.ERROR]
        assert "secret of the house" in failures[0].exc_text
        assert "ann" not in failures[0].getMessage()
        wait_until(lambda: 'status="500"' in client.get("/metrics").text, "the failures are counted")


def test_after_a_failure_of_a_post_its_body_does_not_spoil_the_connection(client, connections, monkeypatch):
    async def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(client.app.state.service.store, "append", broken)
    for _ in range(2):
        assert send(client, *(order(number) for number in range(500))).status_code == 500
    monkeypatch.undo()
    assert send(client, order(1)).status_code == 202
    assert connections == []
