"""Policies of the settings: learned on the training window, kept with the model, told in MLflow and on the card."""

import io
from datetime import timedelta

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.evaluate import step as evaluate
from pipelines.lake import tables
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.retraining.training_set import read_labelled
from pipelines.tracking import logged_model
from pipelines.tracking.registry import MODEL_CARD_FILE
from pipelines.tracking.runs import connect
from pipelines.train import step as train

POLICIES = {
    "preprocessing__missing": {"spend_*": "median", "region": "drop"},
    "preprocessing__outliers": {"purchase_days_28d": "quantiles"},
    "preprocessing__winsorise": ["spend_*"],
    "sweep__families": ["ridge_rfm", "lightgbm_tweedie"],
    "sweep__trials": 2,
}


def rewrite(shop, snapshot_date, change):
    table = tables.read(tables.connect(), shop, "training_sets").to_pandas()
    rows = pa.Table.from_pandas(change(table), preserve_index=False)
    tables.replace(shop, "training_sets", rows, "training_date", snapshot_date, snapshot_date + timedelta(days=1))


def with_gaps(table):
    return table.assign(spend_28d=table.spend_28d.where(table.user_id.str[-1] != "7"))


def later_rows_changed(table):
    """The test snapshot is after the training window."""
    later = table.snapshot_date == table.snapshot_date.max()
    return table.assign(spend_28d=table.spend_28d.where(~later, 1e7), region=table.region.where(~later, "moon"))


@pytest.mark.parametrize("later", ["as it is", "changed"])
def test_what_is_learned_comes_from_the_training_window_and_ships_with_the_model(shop, snapshot_date, later):
    shop = shop.with_changes(**POLICIES)
    rewrite(shop, snapshot_date, with_gaps)
    if later == "changed":
        rewrite(shop, snapshot_date, later_rows_changed)
    result = train.train(shop, snapshot_date)
    split = read_result(shop, snapshot_date, Split)
    training = read_labelled(shop, split, split.final).users.features
    first, third = np.nanpercentile(training.spend_28d, [25, 75])
    model = logged_model.load_model(shop, result.model)
    assert model.preprocessing.limits["spend_28d"] == pytest.approx(
        (first - 1.5 * (third - first), third + 1.5 * (third - first))
    )
    assert model.preprocessing.dropped == ["region"]
    assert "region" not in model.cold_start.segments.columns  # nor do users without orders have it
    gap = training.head(3).assign(spend_28d=[np.nan, model.preprocessing.fills["spend_28d"], 1e9])
    served = mlflow.pyfunc.load_model(result.model.uri).predict(gap)
    pd.testing.assert_frame_equal(served, model.predict(gap))
    alike = pd.concat([gap.head(1)] * 2).assign(spend_28d=[np.nan, model.preprocessing.fills["spend_28d"]])
    assert model.predict_spend(alike).expected_spend.nunique() == 1
    assert "area" not in " ".join(model.predict(training).reasons)
    if later == "changed":
        return
    client = connect(shop)
    table = pd.read_csv(io.StringIO(mlflow.artifacts.load_text(f"runs:/{result.run_id}/preprocessing.csv")))
    outside = (training.spend_28d.dropna() > model.preprocessing.limits["spend_28d"][1]).mean()
    row = table.set_index("column").loc["spend_28d"]
    assert row[["missing", "detection", "outliers"]].tolist() == ["median", "fences", "winsorise"]
    assert row["outside_share"] == pytest.approx(outside)
    assert row["missing_share"] == pytest.approx(training.spend_28d.isna().mean())
    write_result(shop, snapshot_date, result)
    evaluate.evaluate(shop, snapshot_date)
    card = mlflow.artifacts.load_text(f"runs:/{result.run_id}/{MODEL_CARD_FILE}")
    assert "- left out: `region`" in card
    assert "- outliers clipped to limits: `spend_total`, `spend_28d`" in card
    assert client.get_run(result.run_id).info.status == "FINISHED"


def test_a_policy_for_no_feature_stops_the_sweep_and_says_so(shop, snapshot_date):
    shop = shop.with_changes(**POLICIES | {"preprocessing__missing": {"spned_*": "median"}})
    with pytest.raises(Exception, match=r"preprocessing.missing names 'spned_\*'"):
        train.train(shop, snapshot_date)
