"""The model card of real models, and what it says when the data are otherwise."""

import json

import mlflow
import pandas as pd
import pytest

from pipelines import register
from pipelines.errors import PurseError
from pipelines.evaluate import findings
from pipelines.evaluate import step as evaluate
from pipelines.evaluate.card.card import render
from pipelines.evaluate.card.limits import Facts, limits
from pipelines.results.data import Built
from pipelines.results.result import read_result, write_result
from pipelines.results.training import Split
from pipelines.tracking.registry import read_card
from pipelines.tracking.runs import connect
from pipelines.train import step as train
from tests import samples


def artifact(run_id: str, name: str) -> str:
    return mlflow.artifacts.load_text(f"runs:/{run_id}/{name}")


def test_a_version_carries_its_card_and_a_rerun_replaces_it(shop, snapshot_date):
    write_result(shop, snapshot_date, train.train(shop, snapshot_date))
    register.register(shop, snapshot_date)
    with pytest.raises(PurseError, match="Run 'purse evaluate'"):
        read_card(shop, "1", "")

    result = evaluate.evaluate(shop, snapshot_date)
    card = read_card(shop, "1", "")
    headings = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "Purpose",
        *("What was tried", "What won", "By how much", "On which data"),
        *("Measures", "Calibration and intervals by decile", "Level of spend", "Slices", "Fairness"),
        *("What moves the score", "Known limits", "How to reproduce it"),
    ]
    assert f"normalized Gini {result.measures['ngini']:.4f}" in card
    assert "| region=north | 120 |" in card
    assert "Fairness can't be measured by age_band, gender: not in the data." in card
    assert "scaled to the horizon" not in card
    note = connect(shop).get_run(result.run_id).data.tags["mlflow.note.content"]
    assert all(line in card for line in note.splitlines())
    with pytest.raises(PurseError, match="has no version 7"):
        read_card(shop, "7", "")
    with pytest.raises(PurseError, match="no version with the alias 'champion'"):
        read_card(shop, None, "champion")

    names = ("fairness", "importances", "deciles", "permutation")
    tables = {name: artifact(result.run_id, f"{name}.json") for name in names}
    check_tables({name: pd.DataFrame(json.loads(text)) for name, text in tables.items()}, result)
    assert evaluate.evaluate(shop, snapshot_date) == result
    assert read_card(shop, None, "challenger") == card
    assert {name: artifact(result.run_id, f"{name}.json") for name in names} == tables


def check_tables(tables, result):
    fairness, deciles = tables["fairness"], tables["deciles"]
    assert set(fairness["group"]) == {"region=north", "region=south"}
    assert result.flagged_differences == fairness["flagged"].sum()
    assert deciles["users"].sum() == 240
    assert deciles["mean_expected"].is_monotonic_increasing
    assert (deciles["users"] * deciles["inside"]).sum() / 240 == pytest.approx(result.measures["interval_coverage"])
    assert set(tables["permutation"]["measure"]) == {
        *("T", "frequency", "recency", "days_since_last_order", "purchase_days", "spend", "region")
    }
    assert tables["importances"]["feature"].iloc[0] in {"purchase_days_28d", "spend_28d"}


def test_labels_shorter_than_the_horizon_are_told(shop, snapshot_date, monkeypatch):
    trained = train.train(shop, snapshot_date)
    write_result(shop, snapshot_date, trained)
    found = []
    monkeypatch.setattr(evaluate, "find", lambda *arguments: found.append(findings.find(*arguments)) or found[0])
    result = evaluate.evaluate(shop, snapshot_date)
    built, split = read_result(shop, snapshot_date, Built), read_result(shop, snapshot_date, Split)
    short = split.model_copy(update={"label_days": 10})
    card, note = render(Facts(shop, built, short, trained, result, found[0], {"lake.features": "3"}))
    sentence = "trained on labels of 10 days and scaled to the horizon of 28 days"
    assert sentence in card
    assert sentence in note
    assert "versions in the lake: features 3" in card
    assert "Labels of 10 days stand in for 28" in card


def facts(shop, **changes) -> Facts:
    """Facts without anything to say, but for the changes."""
    nothing = dict.fromkeys(("deciles", "importances", "permutation", "level_backtest"), pd.DataFrame())
    quiet = findings.Findings(
        **nothing,
        fairness=pd.DataFrame(),
        surrogate_r2=changes.get("surrogate_r2", 0.99),
        surrogate_spearman=0.99,
        spent=changes.get("spent", 10.0),
        newcomers=changes.get("newcomers", {}),
        largest_share=changes.get("largest_share", 0.0),
    )
    features = [name for name in ("age_band", "gender", "region") if name not in changes.get("left_out", [])]
    return Facts(
        shop,
        samples.built(features=features, left_out=changes.get("left_out", [])),
        samples.split(features=features),
        samples.trained(),
        samples.evaluated(measures={"interval_coverage": changes.get("coverage", 0.8)}),
        quiet,
        {},
    )


TOLD = [
    ({"coverage": 0.7}, "too narrow: 70.0%"),
    ({"coverage": 0.9}, "too wide: 90.0%"),
    ({"spent": 12.0}, "outside the level's 80 % interval"),
    ({"largest_share": 0.3}, "One user made 30.0% of all spend"),
    ({"surrogate_r2": 0.5}, "R² 0.50 only"),
    ({"left_out": ["gender"]}, "Features left out: 1; the source lacks users.gender"),
    ({"newcomers": {"users": 5, "ngini": 0.1, "bias": 0.2, "auc": 0.5}}, "5 users (5.0%) first bought less than 14"),
]


def test_a_limit_is_told_when_the_facts_ask_for_it(shop):
    quiet = " ".join(limits(facts(shop)))
    for changes, told in TOLD:
        assert told in " ".join(limits(facts(shop, **changes)))
        assert told not in quiet
