"""The API's page works without any other host, and every page answers HEAD."""

import re
import shutil

import pytest

CHROMIUM = shutil.which("chromium")


def test_the_page_and_its_files_come_from_the_service(client):
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*|unsafe", policy)
    places = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(places) == 4
    assert {client.get(f"/{place}").status_code for place in places} == {200}
    assert client.get("/docs/else.js").status_code == 404


@pytest.mark.parametrize("path", ["/", "/trust", "/docs", "/docs/start.js", "/healthz", "/openapi.json", "/users/none"])
def test_head_answers_as_get_without_a_body(client, path):
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.content == b""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_a_browser_shows_every_endpoint_and_asks_nobody_else(client):
    from playwright.sync_api import sync_playwright

    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.goto(f"{client.base_url}/docs")
        page.get_by_text("/v1/events").first.wait_for(timeout=60_000)
        text = page.inner_text("body")
        browser.close()
    assert all(path in text for path in client.get("/openapi.json").json()["paths"])
    assert all(url.startswith((str(client.base_url), "data:")) for url in asked)
    assert said == []
