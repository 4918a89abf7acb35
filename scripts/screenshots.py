"""The pictures in docs/images, from a running stack whose users are scored: `make demo`, then `make pictures`.

Needs the extra `dev` (playwright) and a Chromium on PATH. `--to FOLDER` writes them elsewhere.
"""

import argparse
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.links import airflow_url, dag_url, dashboard_url
from pipelines.settings import REPOSITORY, Settings, load_settings
from pipelines.tracking.experiments import runs_page
from pipelines.tracking.login import mlflow_login
from stack import airflow_api, airflow_home

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, WIDE, FLAT, PHONE = (1280, 1000), (1500, 800), (1150, 600), (390, 844)
COLOURS = 256
"""Colours of a picture's palette: a third of the size, and no visible difference."""

PATIENCE, SETTLED = 60_000, 3_000
"""Milliseconds to wait for a page, and for the charts of Airflow and MLflow, which have no mark of their end."""


class Screen(NamedTuple):
    """A picture: its name, size and colour scheme, and how its page is opened."""

    name: str
    size: tuple[int, int]
    scheme: str
    show: Callable[[Page, Settings], None]


def dashboard(path: str) -> Callable[[Page, Settings], None]:
    """Open a page of the dashboard; on the list of users, the first user."""

    def show(page: Page, settings: Settings) -> None:
        page.goto(f"{dashboard_url(settings)}{path}")
        if path == "/users":
            page.locator("td, th").locator("a").first.click()
            page.wait_for_url("**user_id=*")
        page.wait_for_function("document.documentElement.dataset.charts !== undefined")

    return show


def airflow(page: Page, settings: Settings) -> None:
    """Log in to Airflow, and open the graph of the newest retraining."""
    with airflow_api.connect(settings) as client:
        run_id = airflow_api.newest_runs(client, "retrain_daily", limit=1)[0]["run_id"]
    address, (user, password) = airflow_url(settings), airflow_home.login(settings)
    page.goto(f"{address}/")
    page.fill('input[name="username"]', user)
    page.fill('input[name="password"]', password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    page.goto(f"{dag_url(settings, 'retrain_daily')}/runs/{run_id}")
    page.locator("button[value=graph]").click()
    page.locator(".react-flow__node").first.wait_for()
    page.get_by_label("Collapse Details Panel").click()
    page.wait_for_timeout(SETTLED)


def mlflow(page: Page, settings: Settings) -> None:
    """Open the runs of the models."""
    page.goto(runs_page(settings))
    page.get_by_text("validation_ngini").first.wait_for()
    page.get_by_label("Hide banner").click()
    page.get_by_label("Close", exact=True).click()  # the assistant, which opens on a first visit
    page.wait_for_timeout(SETTLED)


SCREENS = (
    Screen("dashboard-today", DESKTOP, "light", dashboard("/")),
    Screen("dashboard-trust", DESKTOP, "light", dashboard("/trust")),
    Screen("dashboard-user", DESKTOP, "dark", dashboard("/users")),
    Screen("dashboard-phone", PHONE, "dark", dashboard("/")),
    Screen("airflow-retrain", FLAT, "light", airflow),
    Screen("mlflow-runs", WIDE, "light", mlflow),
)


def take(browser: Browser, settings: Settings, screen: Screen) -> Image.Image:
    """Picture of a screen."""
    user, password = mlflow_login(settings)
    context = browser.new_context(
        viewport={"width": screen.size[0], "height": screen.size[1]},
        color_scheme="dark" if screen.scheme == "dark" else "light",
        http_credentials={"username": user, "password": password} if screen.show is mlflow else None,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    screen.show(page, settings)
    picture = Image.open(BytesIO(page.screenshot()))
    context.close()
    return picture.convert("RGB").quantize(COLOURS)


def write(settings: Settings, folder: Path) -> None:
    """Write the pictures of all screens."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        for screen in SCREENS:
            take(browser, settings, screen).save(folder / f"{screen.name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=REPOSITORY / "docs" / "images")
    write(load_settings(), parser.parse_args().to)
