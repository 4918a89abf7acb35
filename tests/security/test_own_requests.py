"""A stranger on the service's port: what steps send is worth nothing to others, and nobody else can answer them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from pipelines.deploy import deploy
from pipelines.errors import PurseError
from pipelines.live.client import ask
from pipelines.live.keys import OWN, Key, Keys
from pipelines.live.signing import FILE, RENEWED_AFTER, VARIABLE, parsed, shared_secret, sign
from tests.serving.servers import free_port

DEPLOY = "/v1/admin/deploy"
FAKE = {"deployed": True, "release": "evil"}


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def stranger(port: int, status: int = 200, body: bytes = json.dumps(FAKE).encode()) -> Iterator[list[dict]]:
    """Another user's program on a port, which answers what it likes; yields the requests it got."""
    got: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            got.append({"path": self.path, "headers": dict(self.headers), "content": content})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Purse-Signature", "0" * 64)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield got
        finally:
            server.shutdown()


def send(client: httpx.Client, header: str, path: str = DEPLOY, content: bytes = b"{}", method: str = "POST"):
    headers = {"Authorization": header, "Content-Type": "application/json"}
    return client.request(method, path, content=content, headers=headers)


def signed(home, path: str = DEPLOY, content: bytes = b"{}", moment: datetime | None = None):
    return sign(shared_secret(home.serving_folder, now()), "POST", path, content, moment or now())


@pytest.fixture
def public(home, serve: Callable) -> httpx.Client:
    return serve(home.with_changes(services__host="0.0.0.0"))  # noqa: S104


def test_a_stranger_gets_no_secret_and_cannot_answer(home):
    secret = shared_secret(home.serving_folder, now())
    with stranger(home.serving.port) as got, pytest.raises(PurseError, match="not the live service of this home"):
        deploy(home, now())
    (request,) = got
    assert secret not in json.dumps(request["headers"]).encode() + request["content"]
    assert "Bearer" not in request["headers"]["Authorization"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(409, b'{"error": "\x1b]0;evil\x07"}'), (500, b""), (200, b"[" * 9_000_000), (302, b"{}"), (200, b"not json")],
)
def test_nothing_that_a_stranger_says_is_shown_or_followed(home, status, body):
    with stranger(home.serving.port, status, body), pytest.raises(PurseError, match="is not signed") as refused:
        deploy(home, now())
    assert "evil" not in str(refused.value)


def test_what_a_stranger_recorded_is_refused_by_the_service_that_starts_later(home, serve):
    with stranger(home.serving.port) as got, pytest.raises(PurseError):
        ask(home, "rollback", {"model_version": "1"}, now())
    client = serve(home)
    recorded = got[0]
    answer = send(client, recorded["headers"]["Authorization"], recorded["path"], recorded["content"])
    assert answer.status_code == 401
    assert "before the service started" in answer.json()["error"]


@pytest.mark.usefixtures("public")
def test_the_steps_of_a_home_deploy_without_a_key(home):
    assert deploy(home, now())["release"] == "1-2001-03-01"
    with pytest.raises(PurseError, match=r"rollback was refused .* There is no release before"):
        ask(home, "rollback", {}, now())
    file = home.serving_folder / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert home.serving_folder.stat().st_mode & 0o777 == 0o700
    assert Keys(home.serving_folder).all() == []
    lines = (home.serving_folder / "audit.jsonl").read_text().splitlines()
    assert {json.loads(line)["who"] for line in lines} == {"steps of this home"}


def test_a_signed_request_is_valid_once_and_for_its_own_content_only(public, home):
    header = signed(home).header
    assert send(public, header).status_code == 200
    again = send(public, header)
    assert again.status_code == 401
    assert "was sent before" in again.json()["error"]
    for host in ("127.0.0.1/v1/admin/deploy#", "127.0.0.1/v1/admin/deploy?"):
        headers = {"Authorization": signed(home).header, "Host": host, "Content-Type": "application/json"}
        assert public.post("/v1/admin/rollback", content=b"{}", headers=headers).status_code == 401
    body = b'{"model_version": "1"}'
    assert send(public, signed(home, content=b"{}").header, content=body).status_code == 401
    assert send(public, signed(home).header, "/v1/admin/rollback").status_code == 401
    assert send(public, signed(home).header, f"{DEPLOY}?a=b").status_code == 401
    assert send(public, signed(home, "/v1/admin/rollback", body).header, "/v1/admin/rollback", body).status_code == 200


@pytest.mark.parametrize("minutes", [-6, 6])
def test_old_and_future_signatures_are_refused_with_both_times(public, home, minutes):
    answer = send(public, signed(home, moment=now() + timedelta(minutes=minutes)).header)
    assert answer.status_code == 401
    assert "Set the clocks" in answer.json()["error"]


def test_a_changed_or_malformed_signature_is_refused(public, home):
    good = signed(home)
    changed = [
        good.header[:-1] + ("0" if good.header[-1] != "0" else "1"),
        good.header.replace(good.moment, (now() + timedelta(seconds=1)).isoformat()),
        good.header.replace(good.nonce, "0" * 32),
        good.header.replace(good.digest, "0" * 64),
        sign(b"0" * 64, "POST", DEPLOY, b"{}", now()).header,
        sign(b"", "POST", DEPLOY, b"{}", now()).header,
        "Purse-Signature",
        "Purse-Signature a b c",
        "Purse-Signature a b c d e",
        "purse-signature a b c d",
    ]
    for header in changed:
        answer = send(public, header)
        assert answer.status_code == 401, header
        assert "purse-signature" not in answer.headers
    assert send(public, good.header).status_code == 200


def test_signed_requests_may_administer_and_nothing_else(public, home):
    path, content = "/v1/events", b'{"events": []}'
    for method, where in (("POST", path), ("GET", "/v1/tiers"), ("GET", "/users.csv")):
        header = sign(shared_secret(home.serving_folder, now()), method, where, content, now()).header
        assert send(public, header, where, content, method).status_code in (403, 422)


def test_an_answer_to_one_request_is_no_answer_to_another(public, home):
    first, second = signed(home), signed(home)
    secret = shared_secret(home.serving_folder, now())
    answer = send(public, first.header)
    assert answer.headers["purse-signature"] == first.answer(secret, 200, answer.content)
    assert answer.headers["purse-signature"] != second.answer(secret, 200, answer.content)
    assert answer.headers["purse-signature"] != first.answer(secret, 200, answer.content + b" ")
    assert answer.headers["purse-signature"] != first.answer(secret, 409, answer.content)
    assert "purse-signature" not in public.get("/healthz").headers


def test_a_secret_that_others_can_read_is_not_used(home):
    shared_secret(home.serving_folder, now())
    (home.serving_folder / FILE).chmod(0o644)
    with pytest.raises(PurseError, match="Delete it"):
        shared_secret(home.serving_folder, now())


def test_the_secret_is_renewed_and_a_damaged_one_replaced(home):
    folder = home.serving_folder
    first = shared_secret(folder, now())
    assert shared_secret(folder, now()) == first
    second = shared_secret(folder, now() + RENEWED_AFTER)
    assert second != first
    (folder / FILE).write_text('{"secret"')
    assert shared_secret(folder, now()) not in (first, second)


def test_a_service_on_another_machine_shares_a_secret_by_environment(home, serve, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "x" * 32)
    serve(home)
    elsewhere = home.with_changes(home=str(tmp_path / "other"), serving__url=f"http://127.0.0.1:{home.serving.port}")
    assert deploy(elsewhere, now())["deployed"] is False
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(PurseError, match="at least 32"):
        deploy(elsewhere, now())


def test_a_service_of_another_home_is_told_apart(home, serve, tmp_path):
    serve(home)
    other = home.with_changes(home=str(tmp_path / "other"))
    with pytest.raises(PurseError, match="a service of another home"):
        deploy(other, now())


def test_the_never_expiring_key_of_earlier_versions_ends_with_the_update(home, serve):
    keys = Keys(home.serving_folder)
    key, text = keys.create(OWN, ("admin",), now())
    shop, shops = keys.create("shop", ("admin",), now())
    (home.serving_folder / "own_key").write_text(text)
    stored = json.loads((home.serving_folder / "keys.json").read_text())
    (home.serving_folder / "keys.json").write_text(json.dumps([{**one, "expires_at": None} for one in stored]))
    public = serve(home.with_changes(services__host="0.0.0.0", serving__port=free_port()))  # noqa: S104
    assert send(public, f"Bearer {text}").status_code == 401
    assert send(public, f"Bearer {shops}").status_code == 200
    assert not (home.serving_folder / "own_key").exists()
    ends = {one.key_id: one.expires_at for one in Keys(home.serving_folder).all()}
    assert ends[key.key_id] is not None
    assert ends[shop.key_id] is None
    assert "purse_keys_expiring 1.0" in public.get("/metrics", headers={"Authorization": f"Bearer {read(home)}"}).text


def read(home) -> str:
    return Keys(home.serving_folder).create("monitor", ("read",), now())[1]


def test_keys_expire_and_say_so_in_time(tmp_path):
    keys, made = Keys(tmp_path), now()
    key, text = keys.create("shop", ("read",), made)
    assert key.warning(made) is None
    assert "expires in 13 days" in str(key.warning(made + timedelta(days=351, seconds=1)))
    assert keys.verify(text, made + timedelta(days=364)) == key
    assert keys.verify(text, made + timedelta(days=365)) is None
    assert key.warning(made + timedelta(days=365)) is None
    new, _ = keys.rotate(key.key_id, timedelta(hours=1), made, timedelta(days=30))
    assert new.expires_at == (made + timedelta(days=30)).isoformat()
    assert "never expires" in str(Key("k", "old", ("read",), "", made.isoformat()).warning(made))


def test_a_header_is_parsed_or_is_none():
    header = sign(b"s" * 32, "POST", DEPLOY, b"", now()).header
    assert parsed(header).header == header
    for text in ("", "Bearer a b c d", header + " x", header.replace(" ", "  "), header + "é"):
        assert parsed(text) is None
