"""HTML in a shop's data: shown as text in Data Docs, and without power where Airflow serves them."""

import json
import shutil
import socket
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import jwt
import pandas as pd
import pytest

from expectations.rules import between, one_of
from expectations.runner import validate
from features.schema import TABLES
from models.measures.drift import Column, Summary
from pipelines import links
from pipelines.monitor.report import render
from pipelines.results.scoring import Checked
from pipelines.retraining.reference.learned import Reference
from pipelines.settings import Settings, load_settings
from stack import airflow_api, airflow_home, processes
from tests.security.payloads import PAYLOADS, RUN

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
DAY = date(2024, 3, 1)
TEXTS = {
    table.name: [c.name for c in table.columns if c.type == "VARCHAR"] + ["fault", "source_file"]
    for table in TABLES.values()
}
"""Every column of text that a shop fills, and the two that ingestion adds."""

REFRESH = "meta[http-equiv=refresh]"
PATHS = ["index.html", "validations/users/page.json", "nothing", "..%2fairflow%2fairflow.cfg", ""]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page for each table, with every payload as a value of every column and in the words of every rule."""
    folder, pages = tmp_path_factory.mktemp("docs"), {}
    for name, columns in TEXTS.items():
        frame = pd.DataFrame({column: list(PAYLOADS) for column in columns}).assign(number=1.0)
        rules = [one_of(column, (f"<b>{RUN}</b>", *PAYLOADS[:3])) for column in columns]
        rules += [replace(one_of(column, ("other",)), name=f"{column}_again") for column in columns]
        rules.append(between("number", 2.0, None, "large", where=("number", ">", 0)))
        pages[name] = validate(frame, tuple(rules), name, DAY, folder).data_docs
    return pages


@needs_browser
@pytest.mark.parametrize("table", TABLES)
def test_a_value_is_shown_and_does_nothing(table, docs, browser):
    page = browser.new_page()
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(docs[table].as_uri())  # from a file: without the headers with which Airflow serves it
    page.wait_for_timeout(300)
    assert "owned" not in page.title()
    assert dialogs == []
    assert all(url.startswith("file://") for url in asked)
    assert (
        page.locator("script, iframe, svg, base, details, meta[http-equiv=refresh], a[href^=javascript]").count() == 0
    )
    shown = page.locator("td").all_text_contents()
    for payload in PAYLOADS[:-1]:  # the last one holds the placeholders themselves
        assert sum(payload in text for text in shown) >= len(TEXTS[table]), payload
    page.close()


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_category_that_is_no_formula_does_not_break_the_chart_of_monitoring():
    values = {"$\\frac{$": 0.5, **{payload: 0.5 / len(PAYLOADS) for payload in PAYLOADS}}
    column = Column(Summary(10, 0.0, (), values), {"js": [0.1]}, [0.0])
    checks = pd.DataFrame(
        [("features.region", "js", 0.5, 0.1, True)], columns=["name", "kind", "value", "threshold", "violated"]
    )
    facts = Checked(
        snapshot_date=DAY,
        model_version=PAYLOADS[0],
        checks=1,
        violated=list(PAYLOADS),
        alarm=True,
        reason=PAYLOADS[1],
        skipped=list(PAYLOADS),
    )
    history = pd.DataFrame(columns=["snapshot_date", *checks.columns])
    page = render(
        facts, checks, history, Reference(DAY, {"features.region": column}), {"features.region": column.summary}, "none"
    )
    assert all(payload not in page for payload in PAYLOADS if payload.startswith("<"))


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Airflow's own server with Data Docs that were not escaped, as a version before this one wrote them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = load_settings().with_changes(home=str(tmp_path_factory.mktemp("home")), services__airflow_port=port)
    pages = settings.data_docs / "validations" / "users"
    pages.mkdir(parents=True)
    (settings.data_docs / "index.html").write_text(
        '<title>fine</title><link rel="stylesheet" href="data_docs.css"><a href="validations/users/page.html">page</a>'
    )
    (settings.data_docs / "data_docs.css").write_text("body { max-width: 123px }")
    (pages / "page.html").write_text(
        '<title>fine</title><link rel="stylesheet" href="../../data_docs.css">'
        f'<a href="../../index.html">index</a>{"".join(PAYLOADS[:9])}<form action="/"><button>send</button></form>'
    )
    (pages / "page.json").write_text(f'["{PAYLOADS[0]}"]')
    airflow_home.prepare(settings)
    airflow_home.migrate(settings)
    command = (processes.executable("airflow"), "api-server")
    processes.start(settings.home_path, "api-server", command, airflow_home.environment(settings))
    until = time.monotonic() + 120
    while not _answers(f"http://127.0.0.1:{port}/api/v2/version"):
        assert time.monotonic() < until, processes.log_tail(settings.home_path, "api-server")
        time.sleep(0.2)
    yield settings
    processes.stop(settings.home_path, ["api-server"])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def other_site() -> Iterator[tuple[str, list[str]]]:
    """A site on another port of 127.0.0.1, such as MLflow's, and the headers that it receives."""
    received: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.extend(name.lower() for name in self.headers)
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@needs_browser
def test_airflow_frames_the_pages_and_their_links_work_but_no_script_does(airflow, browser):
    address = links.airflow_url(airflow)
    user, password = airflow_home.login(airflow)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}/")
    page.fill('input[name="username"]', user)
    page.fill('input[name="password"]', password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    page.goto(f"{address}/plugin/data-docs")
    frame = page.frame_locator("iframe")
    frame.get_by_text("page").click()
    frame.get_by_text("index").wait_for()
    inside = next(one for one in page.frames if one.parent_frame and one.url.endswith("page.html"))
    page.wait_for_timeout(300)
    assert inside.title() == "fine"
    assert inside.evaluate("getComputedStyle(document.body).maxWidth") == "123px"
    frame.get_by_text("index").click()
    frame.get_by_text("page", exact=True).wait_for()
    with other_site() as (other, received):
        elsewhere = context.new_page()
        elsewhere.goto(address)
        elsewhere.goto(other)
        elsewhere.goto(links.airflow_address(airflow))  # an old bookmark: it works, with a login of its own
        elsewhere.locator('input[name="username"]').wait_for()
        assert [name for name in received if "cookie" in name] == []
        assert "_token" in {cookie["name"] for cookie in context.cookies(address)}
    alone = context.new_page()
    alone.goto(f"{address}/data-docs/validations/users/page.html")
    alone.wait_for_timeout(300)
    assert alone.title() == "fine"
    context.close()


@pytest.mark.parametrize(
    "path", ["index.html", "validations/users/page.json", "nothing", "..%2fairflow%2fairflow.cfg", ""]
)
def test_every_answer_forbids_scripts_and_guessing_of_types(airflow, path):
    with airflow_api.connect(airflow) as client:
        for login in (client.auth, None):
            url = f"http://127.0.0.1:{airflow.services.airflow_port}/data-docs/{path}"
            answer = httpx.get(url, auth=login, trust_env=False)
            assert answer.headers["content-security-policy"].startswith("sandbox allow-same-origin; default-src 'none'")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert login or answer.status_code == 401


def test_a_browser_without_a_login_is_led_to_it_and_back(airflow):
    url = f"http://127.0.0.1:{airflow.services.airflow_port}/data-docs/index.html"
    answer = httpx.get(url, headers={"Accept": "text/html,*/*"}, trust_env=False)
    assert answer.status_code == 302
    assert answer.headers["location"] == "/auth/login?next=%2Fdata-docs%2Findex.html"


def test_a_browsers_token_ends_after_an_hour_and_a_commands_token_is_renewed(airflow):
    address = f"http://127.0.0.1:{airflow.services.airflow_port}"
    user, password = airflow_home.login(airflow)
    body = {"username": user, "password": password}
    for path, seconds in (("token", 3600), ("token/cli", 300)):
        token = httpx.post(f"{address}/auth/{path}", json=body, trust_env=False).json()["access_token"]
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["exp"] - claims["iat"] == seconds
    with airflow_api.connect(airflow) as client:
        claims |= {"exp": claims["iat"] - 1}
        secret = (airflow.home_path / "secrets" / "jwt_secret").read_text()
        client.auth._token = jwt.encode(claims, secret, "HS512", {"kid": "not-used"})
        assert airflow_api.get(client, "/pools")["total_entries"] >= 1
