"""A home whose path has quotes, spaces, umlauts and signs that URLs and SQL read otherwise."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines import promote, register, split, sweep
from pipelines.build_features.step import build_features
from pipelines.evaluate.step import evaluate
from pipelines.ingest.step import ingest
from pipelines.results.result import write_result
from pipelines.score import score
from pipelines.settings import load_settings
from pipelines.train.step import train
from pipelines.validate.step import validate

DAYS, USERS = 56, 80


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "o'brien #1 ü 50% a+b"
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = [
        (f"o{user}-{day}", f"u{user}", date(2024, 1, 1) + pd.Timedelta(days=day), float(random.gamma(2, 10)))
        for user in range(USERS)
        for day in np.flatnonzero(random.random(DAYS) < 0.02 + 0.3 * user / USERS)
    ]
    orders = pd.DataFrame(rows, columns=["order_id", "customer", "day", "amount"])
    orders.to_csv(folder / "orders.csv", index=False)
    columns = {
        "order_id": "order_id",
        "product_id": "'p'",
        "line": "1",
        "user_id": "customer",
        "ordered_at": "day",
        "quantity": "1",
        "unit_price": "amount",
        "amount": "amount",
    }
    source = folder / "shop.yaml"
    table = {"from": {"files": "orders.csv"}, "columns": columns}
    source.write_text(yaml.safe_dump({"title": "A shop", "tables": {"order_lines": table}}))
    return load_settings().with_changes(
        source=str(source),
        home=str(folder / "home"),
        horizon_days=7,
        sweep__families=["linear_rfm"],
        sweep__trials=1,
        promotion__min_ngini=-1.0,
        promotion__max_abs_bias=100.0,
        promotion__bootstrap_samples=20,
    )


def test_every_step_works_in_it(shop):
    ingest(shop)
    validate(shop)
    day = date(2024, 2, 26)
    write_result(shop, day, build_features(shop, day, "training"))
    write_result(shop, day, split.split(shop, day))
    sweep.plan(shop, day)
    sweep.work(shop, day, "worker")
    for step in (train, evaluate, register.register):
        write_result(shop, day, step(shop, day))
    assert promote.promote(shop, day).promoted
    build_features(shop, day)
    result = score(shop, day, datetime(2024, 2, 26, tzinfo=UTC))
    assert result.rows == len(pd.read_csv(result.export)) > USERS * 0.7
