import json
import logging
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.errors import PurseError
from pipelines.listener import is_loopback
from pipelines.live.keys import Keys, scopes_of
from serving.api.security import presented
from serving.app import create_app
from serving.stores.protocol import StoreUnavailableError
from tests.serving.servers import wait_until

NOW = datetime.now(UTC)
SCOPES = {"read": "/v1/users/ann/score", "write": "/v1/events", "admin": "/v1/admin/rollback"}
EVENT = {"events": [{"event_id": "e", "user_id": "ann", "occurred_at": "2001-03-01T00:00:00", "event_type": "view"}]}


@pytest.fixture
def public(home, serve):
    """A service that takes itself to be on an address that others reach."""
    return serve(home.with_changes(services__host="0.0.0.0"))  # noqa: S104


def ask(client, scope, key=None, **headers):
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    if scope == "read":
        return client.get(SCOPES[scope], headers=headers).status_code
    return client.post(SCOPES[scope], headers=headers, json=EVENT if scope == "write" else {}).status_code


def test_beyond_loopback_every_endpoint_needs_a_key_with_its_scope(public, home):
    for scope in SCOPES:
        assert ask(public, scope) == 401
        assert ask(public, scope, "purse_00000000_wrong") == 401
    assert public.get("/metrics").status_code == 401
    assert public.get("/healthz").status_code == public.get("/readyz").status_code == 200
    for scope in SCOPES:
        _, key = Keys(home.serving_folder).create("shop", (scope,), NOW)
        allowed = [other for other in SCOPES if ask(public, other, key) not in (401, 403)]
        assert allowed == [scope]


def test_a_key_is_rotated_with_a_grace_and_revoked_at_once(tmp_path):
    keys = Keys(tmp_path)
    old, text = keys.create("shop", ("read", "write"), NOW)
    assert text not in (tmp_path / "keys.json").read_text()
    assert keys.verify(text, NOW) == old
    assert keys.verify(text[:-1] + ("a" if text[-1] != "a" else "b"), NOW) is None
    new, rotated = keys.rotate(old.key_id, timedelta(hours=1), NOW)
    assert new.scopes == old.scopes
    others = Keys(tmp_path)  # what another process reads
    assert others.verify(text, NOW + timedelta(minutes=59))
    assert others.verify(text, NOW + timedelta(minutes=61)) is None
    assert others.verify(rotated, NOW + timedelta(days=99))
    keys.revoke(new.key_id, NOW)
    assert others.verify(rotated, NOW) is None
    with pytest.raises(PurseError, match="no key 'none'"):
        keys.revoke("none", NOW)
    for names in ([], ["read", "fly"]):
        with pytest.raises(PurseError, match="one or more of the scopes read, write, admin"):
            scopes_of(names)


def test_keys_that_are_made_and_revoked_at_once_are_all_kept(tmp_path):
    leaked, _ = Keys(tmp_path).create("leaked", ("admin",), NOW)

    def change(number):
        Keys(tmp_path).revoke(leaked.key_id, NOW) if number == 0 else Keys(tmp_path).create("shop", ("read",), NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(40)))
    found = {key.key_id: key for key in Keys(tmp_path).all()}
    assert len(found) == 40
    assert found[leaked.key_id].expires_at is not None


def test_a_wrong_key_is_refused_on_loopback_too(client):
    assert ask(client, "read") == 200
    assert ask(client, "read", "purse_00000000_wrong") == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"host": "["},
        {"origin": "http://["},
    ],
)
def test_a_page_of_another_site_may_not_use_the_browser_of_this_machine(client, headers):
    assert ask(client, "admin", **headers) == 403


def test_a_browser_that_knows_a_key_sends_it_for_no_other_site(client, home):
    """Browsers add a name and password that were typed once to whatever any page makes them send."""
    _, text = Keys(home.serving_folder).create("screen", ("read", "write", "admin"), NOW)
    basic = {"authorization": "Basic " + b64encode(f":{text}".encode()).decode()}
    for said in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert ask(client, "admin", **basic, **said) == 403
    assert ask(client, "read", **basic, **{"sec-fetch-site": "cross-site"}) == 200  # a link to the dashboard
    assert ask(client, "admin", **basic) == 409
    assert ask(client, "admin", text, origin="http://evil.example") == 409


def test_the_rate_is_limited_by_address(home, serve):
    client = serve(home.with_changes(serving__rate_limit="5/minute"))
    answers = [client.get("/v1/users/ann/score") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert client.get("/healthz").status_code == 200


def test_a_setting_that_does_not_fit_is_told(home):
    with pytest.raises(PurseError, match="'often'; expected"):
        create_app(home.with_changes(serving__rate_limit="often"))
    with pytest.raises(PurseError, match="there is no file"):
        create_app(home.with_changes(source="mars"))


def test_logs_hold_pseudonyms_and_answers_security_headers(client, caplog):
    with caplog.at_level(logging.INFO, "purse.access"):
        for user_id in ("ann", "ann", "bob"):
            answer = client.get(f"/v1/users/{user_id}/score")

        def written():
            told = [json.loads(one.getMessage()) for one in caplog.records if one.name == "purse.access"]
            return [line for line in told if line["route"] != "/readyz"]  # of whoever waited for the service

        wait_until(lambda: len(written()) == 3, "each request has its line")
        lines = written()
    assert lines[0]["route"] == "/v1/users/{user_id}/score"
    assert lines[0]["user"] == lines[1]["user"] != lines[2]["user"]
    assert not any("ann" in json.dumps(line) for line in lines)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_a_failure_inside_shows_no_stack_trace(client, monkeypatch):
    async def broken(_):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(client.app.state.service.store, "score", broken)
    answer = client.get("/v1/users/ann/score")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_store_that_is_away_is_503(client, monkeypatch):
    async def away(_):
        raise StoreUnavailableError("The store (Redis) does not answer.")

    monkeypatch.setattr(client.app.state.service.store, "score", away)
    answer = client.get("/v1/users/ann/score")
    assert (answer.status_code, answer.json()["error"]) == (503, "The store (Redis) does not answer.")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("shop", False)],  # noqa: S104
)
def test_which_addresses_are_loopback(host, local):
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("header", "key"),
    [(None, None), ("Bearer k", "k"), ("Basic dXNlcjprZXk=", "key"), ("Basic ?", "?"), ("k", "k")],
)
def test_a_key_comes_as_bearer_or_as_a_browsers_password(header, key):
    assert presented(header) == key


def test_refused_requests_are_limited_by_address_and_say_when_to_come_back(home, serve):
    public = serve(home.with_changes(services__host="0.0.0.0", serving__refused_limit="5/minute"), ready=False)  # noqa: S104
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [public.get("/v1/users/ann/score", headers=wrong).status_code for _ in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    refused = public.get("/v1/users/ann/score", headers=wrong)
    assert refused.headers["retry-after"] == "1"
    assert "More than 5 per 1 minute refused requests from 127.0.0.1" in refused.json()["error"]
    key = Keys(home.serving_folder).create("reader", ["read"], NOW)[1]
    assert public.get("/v1/tiers", headers={"Authorization": f"Bearer {key}"}).status_code in (200, 503)


def test_readiness_without_a_key_says_no_more_than_ready(home, serve):
    public = serve(home.with_changes(services__host="0.0.0.0"), ready=False)  # noqa: S104
    wait_until(lambda: public.get("/readyz").status_code == 200, "there is a release")
    assert public.get("/readyz").json() == {"ready": True}
    key = Keys(home.serving_folder).create("reader", ["read"], NOW)[1]
    told = public.get("/readyz", headers={"Authorization": f"Bearer {key}"}).json()
    assert (told["engine"], told["release"], told["problem"]) == ("ready", "1-2001-03-01", None)
