"""The pictures of the dashboard in docs/images, from a home that holds scores: `python scripts/screenshots.py`.

Settings are read as always (PURSE_HOME names the home). Needs the extra `dev` (playwright) and a Chromium on PATH;
`--to FOLDER --all` writes every page in every form, to look at.
"""

import argparse
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Thread
from time import sleep

import uvicorn
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from pipelines.settings import REPOSITORY, load_settings
from serving.dashboard import router

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = (1280, 1000), (390, 844)
SHIPPED = (
    ("dashboard-today", "/", DESKTOP, "light"),
    ("dashboard-trust", "/trust", DESKTOP, "light"),
    ("dashboard-user", "/users", DESKTOP, "dark"),
    ("dashboard-phone", "/", PHONE, "dark"),
)
COLOURS = 256
"""Colours of a picture's palette: a third of the size, and no visible difference."""


@contextmanager
def served() -> Iterator[str]:
    """The dashboard on a free port of this machine; gives its address."""
    app = FastAPI()
    app.include_router(router(load_settings()))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def take(browser: Browser, url: str, size: tuple[int, int], scheme: str, *, whole: bool) -> Image.Image:
    """A picture of one page once its charts are drawn."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.goto(url)
    if url.endswith("/users"):  # shows the first one of the list
        page.locator("td, th").locator("a").first.click()
    page.wait_for_function("document.documentElement.dataset.charts !== undefined")
    picture = Image.open(BytesIO(page.screenshot(full_page=whole)))
    page.close()
    return picture.convert("RGB").quantize(COLOURS)


def wanted(*, everything: bool) -> Iterator[tuple[str, str, tuple[int, int], str]]:
    """Name, address, size and colour scheme of each picture."""
    yield from SHIPPED
    if everything:
        for name, address in (("today", "/"), ("trust", "/trust"), ("model", "/model"), ("users", "/users")):
            yield f"{name}-dark", address, DESKTOP, "dark"
            yield f"{name}-phone-whole", address, PHONE, "light"
            yield f"{name}-whole", address, DESKTOP, "light"


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=REPOSITORY / "docs" / "images")
    parser.add_argument("--all", action="store_true", help="every page, not only the shipped pictures")
    options = parser.parse_args()
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for name, path, size, scheme in wanted(everything=options.all):
            picture = take(browser, address + path, size, scheme, whole=name.endswith("whole"))
            picture.save(options.to / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
