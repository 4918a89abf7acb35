"""A shop in which no model is shown to be better: the best baseline is champion under its own name, until one is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines import choose, promote, rollback
from pipelines import score as scoring
from pipelines.errors import NothingToDo
from pipelines.lake import tables
from pipelines.monitor.step import monitor
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split, Trained
from pipelines.retraining.decided import earlier_decision
from pipelines.tracking.champion import champion_version, load_champion
from pipelines.tracking.champion_record import read_record
from pipelines.tracking.registry import BASELINE, CHALLENGER, CHAMPION, PREVIOUS, last_refusal, read_card, version_of
from pipelines.tracking.runs import connect, find_runs
from pipelines.train import stand_in
from tests.shops import SNAPSHOT_DATE, SNAPSHOTS, TEST, copy_shop, retrain, synthetic_users

MODEL = "purchasing-power"
NOW = datetime(2020, 4, 1, tzinfo=UTC)


def signal(snapshot):
    """Users of the shop, whose spend follows their rate."""
    users = synthetic_users(snapshot)
    decayed = users["spend_total"] * np.random.default_rng(snapshot.toordinal()).lognormal(0, 0.1, len(users))
    return users.assign(spend_decayed_56d=decayed)


def noise(snapshot):
    """Users of the shop whose spend has nothing to do with what is known of them."""
    users = signal(snapshot)
    drawn = np.random.default_rng([snapshot.toordinal(), 7]).permutation(len(users))
    labels = users[["future_spend", "purchased"]].iloc[drawn].reset_index(drop=True)
    return users.assign(**labels)


def one_time(snapshot):
    """Users who bought once and never again."""
    users = synthetic_users(snapshot)
    return users.assign(purchase_days_total=1.0, frequency=0.0, recency=0.0, future_spend=0.0, purchased=False)


def write_users(settings, users):
    """Replace the training set; a column that is not in the split yet becomes a feature."""
    frame = pd.concat([users(snapshot) for snapshot in (*SNAPSHOTS, TEST)], ignore_index=True)
    rows = pa.Table.from_pandas(frame.assign(training_date=SNAPSHOT_DATE), preserve_index=False)
    end = SNAPSHOT_DATE + timedelta(days=1)
    tables.replace(settings, "training_sets", rows, "training_date", SNAPSHOT_DATE, end)
    features = [name for name in frame if name not in ("snapshot_date", "user_id", "future_spend", "purchased")]
    split = read_result(settings, SNAPSHOT_DATE, Split)
    write_result(settings, SNAPSHOT_DATE, split.model_copy(update={"features": features}))


def write_features(settings, users):
    rows = users(SNAPSHOT_DATE).drop(columns=["future_spend", "purchased"])
    end = SNAPSHOT_DATE + timedelta(days=1)
    tables.replace(
        settings,
        "features",
        pa.Table.from_pandas(rows, preserve_index=False),
        "snapshot_date",
        SNAPSHOT_DATE,
        end,
    )


@pytest.fixture(scope="module")
def refused(make_shop, tmp_path_factory):
    """A shop of noise after its first retraining, and the decision."""
    shop = make_shop(tmp_path_factory.mktemp("noise") / "shop")
    write_users(shop, noise)
    decided = retrain(shop)
    write_result(shop, SNAPSHOT_DATE, decided)
    return SimpleNamespace(shop=shop, decided=decided)


@pytest.fixture
def shop_of_noise(refused, tmp_path):
    return copy_shop(refused.shop, tmp_path / "noise")


def test_the_best_baseline_becomes_champion_and_the_decision_says_why(refused):
    decided, shop = refused.decided, refused.shop
    assert (decided.outcome, decided.promoted, decided.version, decided.refused) == (
        "baseline_champion",
        True,
        "2",
        "1",
    )
    assert decided.baseline in ("history_rate", "spend_decayed_56d")
    assert f"the baseline {decided.baseline}" in decided.description
    assert "version 1, was refused: nGini" in decided.description
    client = connect(shop)
    assert version_of(client, MODEL, CHAMPION) == "2"
    assert version_of(client, MODEL, CHALLENGER) == "1"
    model, baseline = (client.get_model_version(MODEL, number) for number in ("1", "2"))
    assert model.tags["outcome"] in ("below_floor", "floor_unsure", "behind_baseline", "baseline_unbeaten")
    assert BASELINE not in model.tags
    assert (baseline.tags["outcome"], baseline.tags[BASELINE]) == ("baseline_champion", decided.baseline)
    assert baseline.tags["family"] == decided.baseline
    assert client.get_run(baseline.run_id).data.tags[BASELINE] == decided.baseline


def test_repeating_the_promotion_changes_nothing(shop_of_noise, refused):
    assert promote.promote(shop_of_noise, SNAPSHOT_DATE) == refused.decided
    assert len(connect(shop_of_noise).search_model_versions(f"name = '{MODEL}'")) == 2
    trained = read_result(shop_of_noise, SNAPSHOT_DATE, Trained)
    assert earlier_decision(shop_of_noise, SNAPSHOT_DATE, trained.training_id) == refused.decided.description


def test_the_champion_is_named_a_baseline_where_it_is_shown(shop_of_noise, refused):
    name = refused.decided.baseline
    assert choose.look(shop_of_noise).baseline == name
    assert (
        read_record(shop_of_noise).in_words() == f"version 2, the baseline {name}, until a model is shown to be better"
    )
    card = read_card(shop_of_noise, None, CHAMPION)
    assert f"**Baseline {name}, which scores until a model beats it,**" in card
    assert f"`{load_champion(shop_of_noise)[1].reasons.column}`: the only reason" in card
    (run,) = find_runs(connect(shop_of_noise), shop_of_noise, "baseline", "2020-03-29-00000001")
    assert run.data.metrics["test_ngini"] == pytest.approx(refused.decided.numbers["ngini"], abs=1e-9)


def test_scores_carry_the_name_and_have_no_other_reason_than_the_column(shop_of_noise, refused):
    write_features(shop_of_noise, noise)
    result = scoring.score(shop_of_noise, SNAPSHOT_DATE, NOW)
    assert (result.baseline, result.model_version) == (refused.decided.baseline, "2")
    rows = tables.read(tables.connect(), shop_of_noise, "predictions").to_pandas()
    assert set(rows["baseline"]) == {refused.decided.baseline}
    assert rows["purchase_probability"].between(0.01, 0.99).all()
    assert rows["expected_spend"].sum() == pytest.approx(result.level.expected)
    assert (rows["spend_low"] <= rows["spend_high"]).all()
    assert set(rows["tier"]) == {"high", "mid", "low"}
    column = load_champion(shop_of_noise)[1].reasons.column
    users = noise(SNAPSHOT_DATE).set_index("user_id")[column]
    words = "in total" if column == "spend_total" else "half-life 56 days"
    for row in rows.itertuples():
        assert f"{users[row.user_id]:,.0f}" in row.reasons
        assert words in row.reasons
        assert ";" not in row.reasons
    exported = pd.read_csv(result.export)
    assert set(exported["baseline"]) == {refused.decided.baseline}


def test_the_monitoring_names_the_baseline(shop_of_noise, refused):
    write_features(shop_of_noise, noise)
    scoring.score(shop_of_noise, SNAPSHOT_DATE, NOW)
    result = monitor(shop_of_noise, SNAPSHOT_DATE)
    assert result.baseline == refused.decided.baseline
    assert f"champion version 2 (the baseline {result.baseline})" in Path(result.data_docs).read_text()


def test_a_later_model_that_beats_the_baseline_is_promoted(shop_of_noise):
    write_users(shop_of_noise, signal)
    decided = retrain(shop_of_noise, "2020-03-29-00000002")
    assert (decided.outcome, decided.version, decided.baseline) == ("better", "3", None)
    assert "against the champion, baseline" in decided.description
    client = connect(shop_of_noise)
    assert version_of(client, MODEL, CHAMPION) == "3"
    assert client.get_model_version(MODEL, "3").tags[PREVIOUS] == "2"
    assert read_record(shop_of_noise).baseline is None
    assert load_champion(shop_of_noise)[1].baseline is None
    assert rollback.rollback(shop_of_noise, NOW)["to_version"] == "2"


def test_a_refused_model_leaves_a_fresh_baseline_in_place_and_renews_an_old_one(shop_of_noise, refused):
    kept = retrain(shop_of_noise, "2020-03-29-00000002")
    assert (kept.promoted, kept.version, kept.baseline) == (False, "3", None)
    client = connect(shop_of_noise)
    assert version_of(client, MODEL, CHAMPION) == "2"
    client.set_model_version_tag(MODEL, "2", "training_id", "2020-03-01-00000000")
    renewed = retrain(shop_of_noise, "2020-03-29-00000003")
    assert (renewed.outcome, renewed.version, renewed.refused) == ("baseline_champion", "5", "4")
    assert client.get_model_version(MODEL, "5").tags[PREVIOUS] == "2"
    assert renewed.baseline == refused.decided.baseline


def test_a_baseline_of_another_horizon_is_replaced_without_an_approval(shop_of_noise):
    client, split = connect(shop_of_noise), read_result(shop_of_noise, SNAPSHOT_DATE, Split)
    assert not stand_in.is_needed(shop_of_noise, client, split)
    assert stand_in.is_needed(shop_of_noise, client, split.model_copy(update={"horizon_days": 14}))
    client.delete_model_version_tag(MODEL, "2", BASELINE)  # as if it were a model
    assert not stand_in.is_needed(shop_of_noise, client, split.model_copy(update={"horizon_days": 14}))


def test_a_shop_of_one_time_buyers_is_scored_by_a_baseline(shop):
    write_users(shop, one_time)
    decided = retrain(shop)
    assert (decided.outcome, decided.baseline) == ("baseline_champion", "history_rate")
    write_features(shop, one_time)
    result = scoring.score(shop, SNAPSHOT_DATE, NOW)
    assert result.rows == 240
    rows = tables.read(tables.connect(), shop, "predictions").to_pandas()
    assert (rows["purchase_probability"] == 0).all()  # nobody ever came back
    assert rows["score"].nunique() > 100  # and still users are ranked


def test_without_a_champion_everything_says_why_the_challenger_was_refused(shop, shop_of_noise):
    with pytest.raises(NothingToDo, match=r"has no champion yet. Run retrain_daily"):
        champion_version(shop)
    client = connect(shop_of_noise)  # as a version before baselines could be champion left it
    client.delete_registered_model_alias(MODEL, CHAMPION)
    client.delete_model_version(MODEL, "2")
    (shop_of_noise.home_path / "champion.json").unlink()
    why = client.get_model_version(MODEL, "1").description
    with pytest.raises(NothingToDo) as caught:
        scoring.score(shop_of_noise, SNAPSHOT_DATE, NOW)
    assert f"The last challenger, version 1, was refused: {why} Run retrain_daily" in str(caught.value)
    found = choose.look(shop_of_noise)
    assert (found.state, found.problem) == ("none_yet", last_refusal(client, MODEL))


def test_both_views_are_reported_with_user_folds(shop):
    shop = shop.with_changes(snapshots__user_folds=2, sweep__families=["ridge_rfm"], sweep__trials=1)
    write_users(shop, synthetic_users)
    retrain(shop)
    card = read_card(shop, None, CHAMPION)
    assert "of users that the predicting model never saw, on days that it has not learned from" in card
    assert "test users, on days that it has not learned from" in card
