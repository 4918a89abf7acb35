"""A baseline that is champion scores live as in the batch, and its answers name it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pandas as pd
import pyarrow.compute as pc
import pytest

from features.definitions import FEATURES
from models.catalog import column_baselines
from models.families.baselines import DecayedSpend, HistoryRate
from models.protocol import LabelledUsers
from models.purchasing_power import Member, build
from models.score import calibration
from pipelines.score import predict
from serving.engine.engine import Engine
from serving.release.release import Release
from serving.stored_scores import live_scores
from tests.serving.releases import INTERVALS, SNAPSHOT, daily, features_of, make_release, random_shop

BASELINES = {"history_rate": HistoryRate(horizon_days=28), "spend_decayed_56d": DecayedSpend()}


@pytest.fixture(scope="module", params=BASELINES)
def model(request):
    name = request.param
    users = features_of(daily(random_shop()), SNAPSHOT)[0].drop(columns="user_id")
    columns = column_baselines(users)[name]
    spend = pd.Series(np.random.default_rng(0).gamma(0.5, 30.0, len(users)))
    return build(
        [Member(1.0, BASELINES[name].fit(LabelledUsers(users, spend, spend > 10)), name)],
        users[list(columns)],
        horizon_days=28,
        calibration=calibration.fit([], []),
        intervals=INTERVALS,
        phrases={feature.name: feature.phrase for feature in FEATURES},
        tier_shares={"high": 0.2, "mid": 0.3},
        top_reasons=3,
        baseline=(name, columns[0]),
    )


def test_live_is_batch_for_a_baseline(tmp_path, model):
    rows, tomorrow = random_shop(), SNAPSHOT + timedelta(days=2)
    past = {
        name: table.filter(pc.less(table["day"], SNAPSHOT))
        for name, table in rows.items()
        if "day" in table.schema.names
    }
    since = {name: table.filter(pc.greater_equal(table["day"], SNAPSHOT)) for name, table in past.items()}
    engine = Engine.open(make_release(tmp_path / "1", rows | past, model), tmp_path)
    buyers, _ = features_of(daily(rows | past), tomorrow)
    expected = predict(model, buyers)
    users = list(expected["user_id"])
    found = engine.score(
        {name: since[name] for name in ("order_lines", "events", "users") if name in since}, tomorrow, users
    )
    engine.close()
    assert list(found["user_id"]) == users
    assert list(found["reasons"]) == list(expected["reasons"])
    assert list(found["tier"]) == list(expected["tier"])
    for name in ("expected_spend", "spend_low", "spend_high", "purchase_probability", "score"):
        np.testing.assert_allclose(found[name], expected[name].astype(float), rtol=1e-6, atol=1e-6)


def test_an_answer_names_the_baseline(model):
    release = Release("2", SNAPSHOT, 28, datetime(2024, 3, 1, tzinfo=UTC), (), "tensorflow", baseline=model.baseline)
    frame = pd.DataFrame({"user_id": ["u1"], "score": [50.0], "reasons": ["has spent 5 in total"]})
    (score,) = live_scores(frame, release, SNAPSHOT, 0.0, datetime(2024, 3, 1, tzinfo=UTC)).values()
    assert orjson.loads(score.body)["baseline"] == model.baseline
