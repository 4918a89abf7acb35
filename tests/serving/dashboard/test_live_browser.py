"""The whole service with a model in its engine's process: what is posted to the API shows on a user's page."""

from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path

import httpx
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.lake import tables
from pipelines.score import predict
from pipelines.settings import Settings, load_settings
from serving.app import create_app
from serving.engine.engines import Engines
from serving.engine.process import EngineProcess
from tests.serving.dashboard.test_dashboard_browser import (  # noqa: F401 - a fixture, a mark
    PATIENCE,
    browser,
    pytestmark,
    served,
)
from tests.serving.releases import SNAPSHOT, daily, day, features_of, line, make_release, random_shop, small_model
from tests.serving.servers import free_port, wait_until

USER = "u3"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = load_settings().with_changes(
        home=str(tmp_path_factory.mktemp("live")), serving__port=free_port(), serving__canary_milliseconds=60_000
    )
    rows, model = random_shop(), small_model()
    buyers, _ = features_of(daily(rows), SNAPSHOT)
    scores = predict(model, buyers).assign(
        basis="orders", horizon_days=28, model_version="7", scored_at=pd.Timestamp(SNAPSHOT), snapshot_date=SNAPSHOT
    )
    stored = pa.Table.from_pandas(scores, preserve_index=False)
    tables.replace(settings, "predictions", stored, "snapshot_date", SNAPSHOT, day(1))

    def prepare(_: Settings, root: Path) -> Path:
        return make_release(root / f"7-{SNAPSHOT}", rows, model, scores, settings.home_path)

    with served(create_app(settings, Engines(prepare, EngineProcess.open)), settings.serving.port) as address:
        ready = lambda: httpx.get(f"{address}/readyz", trust_env=False).json()["engine"] == "ready"  # noqa: E731
        wait_until(ready, "the release is in force")
        yield address


def test_a_users_page_shows_another_score_after_an_order(browser, address):  # noqa: F811
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/users?user_id={USER}")
    shown = page.locator(".lead")
    assert "Live" not in shown.inner_text()
    before = page.get_by_label("In short").inner_text()
    orders = [line(USER, datetime.combine(SNAPSHOT, time()), f"p{n}", 3.0, 900.0, n) for n in range(4)]
    body = {
        "order_lines": [{**one, "line": n, "ordered_at": one["ordered_at"].isoformat()} for n, one in enumerate(orders)]
    }
    answer = httpx.post(f"{address}/v1/orders", json=body, trust_env=False)
    assert answer.status_code == 202, answer.text
    url = f"{address}/v1/users/{USER}/score"
    wait_until(lambda: httpx.get(url, trust_env=False).json()["live"], "the order counts")
    score = httpx.get(url, trust_env=False).json()
    page.reload()
    after = page.get_by_label("In short").inner_text()
    assert after != before
    assert f"{score['expected_spend']:,.0f}" in after
    assert "Live: what happened since the snapshot counts" in shown.inner_text()
    page.close()
