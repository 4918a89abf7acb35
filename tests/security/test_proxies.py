"""A reverse proxy on the same machine makes nobody an administrator, and nobody chooses the address that is logged."""

import contextlib
import json
import os
import socket
import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address

import httpx
import pytest

from pipelines.audit import FILE
from pipelines.errors import PurseError
from pipelines.live.keys import Keys
from serving import owners
from serving.app import create_app
from serving.peers import forwarded, group, parse_address, parse_networks
from stack import airflow_home
from stack.services import _services
from tests.security.proxies import NAME, caddy, free_port, guide, nginx, with_ports
from tests.security.raw import answer_to, connected
from tests.serving.servers import wait_until

NOW = datetime.now(UTC)
ADDED = [
    "Forwarded: for=192.0.2.1",
    "Via: 1.1 proxy",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-For;",
    "X-Forwarded-Proto: https",
    "X-FORWARDED-HOST: localhost",
    "X-Forwarded-Anything: 1",
    "X-Real-IP: 127.0.0.1",
    "CF-Connecting-IP: 192.0.2.1",
    "X-Original-URL: /",
    "X-Envoy-External-Address: 192.0.2.1",
]


def bearer(home, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {Keys(home.serving_folder).create('shop', scopes, NOW)[1]}"}


def audited(home) -> list[str]:
    return [json.loads(line)["who"] for line in (home.serving_folder / FILE).read_text().splitlines()]


@pytest.mark.parametrize("header", ADDED)
def test_a_request_that_came_through_a_proxy_needs_a_key(client, home, header):
    name, _, value = header.replace(";", ": ").partition(": ")
    refused = client.post("/v1/admin/rollback", headers={name: value})
    assert refused.status_code == 401
    assert "came through a proxy" in refused.json()["error"]
    with_key = client.post("/v1/admin/rollback", headers={name: value} | bearer(home, "admin"))
    assert with_key.status_code == 409  # there is no earlier release
    assert client.get("/v1/users/ann/score", headers={name: value}).status_code == 401


def test_http_1_0_needs_a_key(client):
    """What nginx before 1.29.7 sends by default has no other mark."""
    with connected(client) as wire:
        wire.sendall(f"GET /v1/tiers HTTP/1.0\r\nHost: {client.base_url.netloc.decode()}\r\n\r\n".encode())
        assert answer_to(wire).startswith("HTTP/1.1 401 ")


def test_a_page_under_another_name_gives_its_proxy_away_and_a_link_does_not(client):
    page = {"sec-fetch-site": "same-origin", "referer": "https://scores.shop.example/"}
    assert client.get("/users", headers=page).status_code == 401
    own = {"sec-fetch-site": "same-origin", "referer": f"{client.base_url}/"}
    link = {"sec-fetch-site": "same-site", "referer": "http://127.0.0.1:8080/"}  # from Airflow
    assert {client.get("/users", headers=headers).status_code for headers in (own, link)} == {200}


@pytest.mark.parametrize("changes", [{"serving__keys": "always"}, {"serving__trusted_proxies": ["192.0.2.7"]}])
def test_with_keys_always_or_a_proxy_every_request_needs_one(home, serve, changes):
    client = serve(home.with_changes(**changes))
    assert client.get("/v1/tiers").status_code == client.get("/").status_code == 401
    assert client.get("/readyz").json() == {"ready": True}
    assert client.get("/v1/tiers", headers=bearer(home, "read")).status_code == 200


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")


@as_root
def test_another_user_of_this_machine_needs_a_key(client, home):
    url = f"{client.base_url}/v1/users/ann/score"
    code = (
        "import sys, urllib.request as r, urllib.error as e\n"
        "asked = r.Request(sys.argv[1], headers=eval(sys.argv[2]))\n"
        "try: print(r.build_opener(r.ProxyHandler({})).open(asked).status)\n"
        "except e.HTTPError as x: print(x.code, x.read().decode())"
    )

    def asked(user, headers) -> str:
        words = ["/usr/bin/env", "python3", "-c", code, url, repr(headers)]
        return subprocess.run(words, check=True, capture_output=True, text=True, user=user, cwd="/").stdout

    assert asked("root", {}).startswith("200")
    assert asked("nobody", {}).startswith("401")
    assert "from another user's" in asked("nobody", {})
    assert asked("nobody", bearer(home, "read")).startswith("200")


@pytest.mark.skipif(not owners.IS_KNOWN, reason="only Linux tells whose a connection is")
@pytest.mark.parametrize("way", ["_ask", "_search"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_connection_has_its_owner_and_a_closed_one_has_none(host, way, monkeypatch):
    """A closed socket is listed with the user id 0, as if it were root's."""
    other = {"_ask": "_search", "_search": "_ask"}[way]
    monkeypatch.setattr(owners, other, lambda *_: None)
    listening = "127.0.0.1" if "." in host else "::1"
    family = socket.AF_INET if "." in listening else socket.AF_INET6
    with socket.create_server((listening, 0), family=family) as server:
        wire = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        wire.connect((host, server.getsockname()[1]))
        accepted, client = server.accept()
        with accepted:
            ends = client[:2], accepted.getsockname()[:2]
            assert owners.owner(*ends) == os.geteuid()
            wire.close()
            assert owners.owner(*ends) is None
        with contextlib.suppress(OSError), socket.create_server((listening, client[1]), family=family):
            assert owners.owner(*ends) is None  # a listener on the client's port is not the client


@pytest.mark.parametrize("version", ["", 'proxy_http_version 1.1; proxy_set_header Connection "";'])
def test_nginx_as_it_comes_lets_nobody_in_without_a_key(client, home, version):
    """The second is the default of nginx from 1.29.7 on: only the user of its workers gives it away."""
    if version and os.getuid() != 0:
        pytest.skip("nginx's workers are another user's only if root starts it")
    port = free_port()
    pass_on = f"listen 127.0.0.1:{port}; location / {{ proxy_pass {client.base_url}; {version} }}"
    with (
        nginx(f"server {{ {pass_on} }}", port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as web,
    ):
        for host in ({}, {"host": "localhost"}, {"host": f"127.0.0.1:{client.base_url.port}"}):
            assert web.get("/v1/users/ann/score", headers=host).status_code == 401
            assert web.post("/v1/admin/rollback", headers=host).status_code == 401
            assert web.get("/readyz", headers=host).json() == {"ready": True}
        assert web.get("/v1/users/ann/score", headers=bearer(home, "read")).status_code == 200


def logged(caplog) -> list[dict]:
    return [json.loads(one.getMessage()) for one in caplog.records if one.name == "purse.access"]


def through(web: httpx.Client, home, caplog) -> None:
    """What both examples of the guide promise."""
    home_key, forged = bearer(home, "read", "admin"), {"X-Forwarded-For": "key deadbeef, 203.0.113.9"}
    who = ["127.0.0.9", f"key {home_key['Authorization'].split('_')[1]}"]
    with caplog.at_level("INFO", "purse.access"):
        assert web.get("/v1/users/ann/score", headers=forged).status_code == 401
        assert web.get("/v1/users/ann/score", headers=home_key | forged).status_code == 200
        wait_until(lambda: [line["who"] for line in logged(caplog) if "who" in line] == who, "the log names both", 20)
    for path in ("/metrics", "/v1/admin/rollback", "/v1/%61dmin/rollback", "/v1/x/../admin/rollback"):
        assert web.request("POST" if "dmin" in path else "GET", path, headers=home_key).status_code == 404
    assert web.get("/", headers=home_key).status_code == 200
    basic = httpx.BasicAuth("", home_key["Authorization"].removeprefix("Bearer "))
    ids = {"user_ids": ["ann"]}
    assert web.post("/v1/scores", json=ids, auth=basic, headers={"origin": str(web.base_url).rstrip("/")}).is_success
    assert web.post("/v1/scores", json=ids, auth=basic, headers={"origin": "https://evil.example"}).status_code == 403


def behind(home, serve) -> httpx.Client:
    client = serve(home.with_changes(serving__keys="always", serving__trusted_proxies=["127.0.0.1"]))
    client.close()
    return client


def secure(port: int) -> httpx.Client:
    # the certificate is signed by itself; Caddy makes it after it has begun to listen
    transport = httpx.HTTPTransport(local_address="127.0.0.9", verify=False, retries=6)
    return httpx.Client(base_url=f"https://localhost:{port}", transport=transport, trust_env=False)


def test_the_guides_nginx_adds_tls_and_the_clients_address(home, serve, caplog):
    client, port = behind(home, serve), free_port()
    with nginx(with_ports(guide("nginx"), port, client.base_url.port), port), secure(port) as web:
        through(web, home, caplog)


def test_the_guides_caddy_adds_tls_and_the_clients_address(home, serve, caplog):
    client, port = behind(home, serve), free_port()
    site = with_ports(guide("caddyfile"), port, client.base_url.port)
    site = site.replace(f"{NAME} {{", f"https://localhost:{port} {{\n    bind 127.0.0.1\n    tls internal")
    with caddy(site, port), secure(port) as web:
        through(web, home, caplog)


def test_nobody_writes_another_name_into_the_audit(client, home):
    admin = bearer(home, "admin")
    assert client.post("/v1/admin/rollback", headers=admin | {"X-Forwarded-For": "key deadbeef"}).status_code == 409
    assert client.post("/v1/admin/rollback").status_code == 409
    assert audited(home) == [f"key {admin['Authorization'].split('_')[1]}", "127.0.0.1"]


def test_each_value_of_x_forwarded_for_has_no_rate_of_its_own(home, serve):
    client = serve(home.with_changes(serving__keys="always", serving__refused_limit="5/minute"))
    asked = [client.get("/metrics", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(8)]
    assert asked == [401] * 5 + [429] * 3


def test_all_of_loopback_is_one_client(home, serve):
    client = serve(home.with_changes(serving__rate_limit="5/minute"))
    statuses = []
    for number in range(7):
        with connected(client, f"127.0.0.{number + 2}") as wire:
            wire.sendall(b"GET /v1/tiers HTTP/1.1\r\nhost: localhost\r\n\r\n")
            statuses.append(answer_to(wire)[9:12])
    assert statuses == ["200"] * 5 + ["429"] * 2


TRUSTED = ["127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48"]


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # no proxy of ours
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the left one is the client's claim
        ("127.0.0.1", ["1.1.1.1", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.1.2.3, 10.1.2.4"], "10.1.2.3"),
        ("127.0.0.1", ["1.1.1.1, key deadbeef"], "127.0.0.1"),
        ("127.0.0.1", ["1.1.1.1, unknown, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", ["2001:db8::7, 2001:db8:ffff::1"], "2001:db8::7"),
        ("::ffff:127.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["1.1.1.1, " + "10.0.0.1," * 5000 + "10.0.0.2"], "10.0.0.1"),
    ],
)
def test_the_client_behind_trusted_proxies_is_read_from_the_right(peer, lines, client):
    assert forwarded(parse_address(peer), lines, parse_networks(TRUSTED)) == ip_address(client)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("127.0.0.1", "127.8.8.8", True),
        ("127.0.0.1", "::1", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("key deadbeef", "192.0.2.1", False),
    ],
)
def test_addresses_that_one_person_chooses_among_count_as_one(one, other, same):
    assert (group(parse_address(one)) == group(parse_address(other))) is same


@pytest.mark.parametrize(
    ("given", "message"),
    [("proxy", "has 'proxy'; expected an address"), ("10.0.0.1/8", "host bits"), ("0.0.0.0/0", "every address")],
)
def test_a_trusted_proxy_that_is_none_stops_the_start(home, given, message):
    with pytest.raises(PurseError, match=message):
        create_app(home.with_changes(serving__trusted_proxies=[given]))


def test_airflow_and_mlflow_believe_no_proxy_header(settings, monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert not any("--proxy-headers" in word for service in _services(settings) for word in service.command)
    assert airflow_home.environment(settings)["FORWARDED_ALLOW_IPS"] == ""
