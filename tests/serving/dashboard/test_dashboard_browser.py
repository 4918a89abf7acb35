"""The dashboard in a real browser, headless: what is drawn, what is asked of whom, and how it fits."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import sleep

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 90_000
"""Milliseconds that a page may take where other tests have the machine."""

PAGES = {
    "/": 2,
    "/list": 0,
    "/trust": 2,
    "/health": 0,
    "/model": 1,
    "/users": 0,
    "/users?user_id=user-07": 1,
    "/card": 0,
}
"""Every page and how many charts it has."""

# the frame of an external view in Airflow 3.3
AIRFLOW_PAGE = """<!doctype html><iframe title="Purse" width="900" height="700"
 sandbox="allow-scripts allow-same-origin allow-forms allow-downloads" src="{address}/"></iframe>"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(app: FastAPI, port: int) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def airflow_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def address(scored, make_app, airflow_port) -> Iterator[str]:
    with served(make_app(scored.with_changes(services__airflow_port=airflow_port)), free_port()) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Opens a page; at the end of the test, nothing was said on the console and nobody else was asked."""
    contexts, said, asked = [], [], []

    def opened(path: str, **options: object):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + path)
        page.wait_for_function("document.documentElement.dataset.charts !== undefined")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(address)] == []


DRAWN = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3]) colours.add(pixels.slice(i, i + 3).join());
  return colours.size;
}"""


@pytest.mark.parametrize("path", PAGES)
def test_pages_draw_their_charts_and_ask_nobody_else(open_page, path):
    page = open_page(path)
    charts = page.locator("canvas").all()
    assert len(charts) == PAGES[path]
    assert all(chart.evaluate(DRAWN) > 10 for chart in charts)
    assert page.locator("nav [aria-current=page]").count() == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_scrolls_down_only(open_page, path):
    page = open_page(path, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sizes = page.locator("nav a, button, select").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 36
    assert small_targets(page) == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [390, 1400])
def test_what_is_cut_says_so(open_page, path, width):
    """Nothing is cut on a desk; on a phone a table that is wider than its place says so and scrolls by keyboard."""
    page = open_page(path, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.locator(".scroll:visible").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1)"
        ".map(one => one.tabIndex === 0 && one.previousElementSibling.className === 'cut')"
    )
    assert all(cut)
    if width == 1400:
        assert cut == []
    assert small_targets(page) == []


def small_targets(page) -> list[str]:
    """Visible controls of less than 24 by 24 pixels; WCAG 2.2, 2.5.8. Links in a model card's prose are exempt."""
    controls = page.locator("a:visible, button:visible, summary:visible, input:visible, select:visible")
    return controls.evaluate_all(
        "all => all.filter(one => !one.closest('.prose') && !one.matches('.skip')).filter(one => {"
        "const box = one.getBoundingClientRect(); return box.width < 23.9 || box.height < 23.9;"
        "}).map(one => one.outerHTML)"
    )


def test_a_bar_leads_to_its_users(open_page):
    page = open_page("/")
    box = page.locator("canvas").nth(1)
    spot = box.evaluate(
        "canvas => { const [set] = Chart.getChart(canvas).getSortedVisibleDatasetMetas().slice(-1);"
        "const bar = set.data.at(-1); return { x: bar.x, y: (bar.y + bar.base) / 2 }; }"
    )
    box.click(position=spot)
    page.wait_for_url("**/list?*tier=high*")
    assert "score_from=95" in page.url
    assert page.locator("tbody tr").count() > 0


@pytest.mark.parametrize(("language", "title"), [("en", "Today"), ("de", "Heute"), ("zh", "今日")])
def test_the_language_is_the_browsers_until_another_is_chosen(open_page, language, title):
    page = open_page("/", locale=language)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("nav [aria-current=page]").inner_text() == title
    page.get_by_role("link", name="DE", exact=True).click()
    page.wait_for_url("**lang=de")
    page.goto(page.url.partition("?")[0] + "trust")
    assert page.locator("html").get_attribute("lang") == "de"  # the cookie remembers


def test_filters_work_by_keyboard_and_the_file_comes(open_page):
    page = open_page("/")
    tier = page.locator("select[name=tier]")
    tier.focus()
    page.keyboard.type("high")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**tier=high**")
    assert tier.input_value() == "high"
    assert page.get_by_role("row").filter(has_text="100.0 %").count() == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "users-2020-03-29-high.csv"


def test_one_user_is_found_through_the_form(open_page):
    page = open_page("/users")
    page.get_by_label("User id").fill("user-07")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**user_id=user-07")
    assert page.get_by_role("heading", name="User user-07").is_visible()


def test_dark_mode_is_dark_with_readable_text_and_charts_follow(open_page):
    page = open_page("/", color_scheme="light")
    light = page.locator("canvas").first.evaluate(DRAWN)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    before = page.locator("canvas").first.screenshot()
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    assert light > 10
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    assert page.locator("canvas").first.screenshot() != before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(open_page, scheme):
    """At least 4.5 to 1 for every pair of text and ground that the stylesheet uses; WCAG 2.2, 1.4.3."""
    page = open_page("/", color_scheme=scheme)
    names = ["ink", "soft", "accent", "bad", "high", "mid-ink", "panel", "ground", "notice", "accent-soft"]
    colour = {
        name: page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")
        for name in names
    }
    pairs = [("ink", "panel"), ("ink", "ground"), ("ink", "notice"), ("soft", "panel"), ("soft", "ground")]
    pairs += [("accent", "panel"), ("accent", "accent-soft"), ("accent", "notice"), ("panel", "accent")]
    pairs += [("bad", "panel"), ("high", "panel"), ("mid-ink", "panel")]
    ratios = {(one, other): contrast(colour[one], colour[other]) for one, other in pairs}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def framed(port: int, address: str):
    """The dashboard in the frame of a page of another origin."""
    app = FastAPI()
    app.add_api_route("/", lambda: HTMLResponse(AIRFLOW_PAGE.format(address=address)))
    return served(app, port)


@pytest.mark.parametrize("name", ["127.0.0.1", "airflow.localhost"])
def test_airflow_may_frame_it_and_its_links_say_where_they_lead(name, browser, address, airflow_port):
    with framed(airflow_port, address):
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://{name}:{airflow_port}")
        frame = page.frame_locator("iframe")
        frame.get_by_role("heading", name="Purchasing power today").wait_for()
        frame.get_by_role("link", name="MLflow").first.click()
        notice = frame.locator("#framed")
        assert "http://127.0.0.1:5000" in notice.inner_text()
        assert notice.locator("a").count() == 0  # a link would lead the frame to a page that refuses to be framed
        frame.get_by_role("link", name="Trust").click()
        frame.get_by_role("heading", name="Can the scores be trusted?").wait_for()
        page.close()


def test_nobody_else_may_frame_it(browser, address):
    with framed(free_port(), address) as stranger:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(stranger)
        page.wait_for_timeout(300)
        assert page.frame_locator("iframe").get_by_role("heading").count() == 0
        assert any("frame-ancestors" in text for text in said)
        page.close()
