"""The suites on tables with one fault each."""

from datetime import date, datetime

import ibis
import pandas as pd

from expectations import events, features, order_lines, predictions, products, users
from expectations.runner import validate
from features.definitions import FEATURES
from features.feature import Feature
from features.units import Unit
from models.predictions import BASES, TIERS

DAY = date(2001, 2, 1)
LINE = {
    "order_id": "o",
    "product_id": "p",
    "line": 1,
    "user_id": "u",
    "ordered_at": datetime.fromisoformat("2001-01-01"),
    "quantity": 2.0,
    "unit_price": 5.0,
    "amount": 10.0,
    "fault": None,
    "copy_of_key": 0,
}


def broken(frame: pd.DataFrame, suite) -> set[str]:
    """Names of the broken rules of a table."""
    report = validate(frame, suite(tuple(frame.columns)), "test", DAY, None)
    return {result.rule for result in report.results if not result.success}


def assert_faults(row: dict, cases: list[tuple[dict, set[str]]], suite) -> None:
    """Assert the rules that each changed row breaks, by the predicates; Great Expectations must count the same rows."""
    frame = pd.DataFrame([row | change for change, _ in cases]).infer_objects()
    rules = suite(tuple(frame.columns))
    rows = ibis.memtable(frame.assign(position=range(len(frame))))
    holds = {rule.name: rule.holds(rows) for rule in rules if rule.holds}
    verdicts = rows.select("position", **holds).order_by("position").to_pandas().drop(columns="position")
    found = [{str(rule) for rule in verdicts if not verdicts.loc[number, rule]} for number in range(len(frame))]
    assert found == [broken for _, broken in cases]
    counts = {result.rule: result.failing for result in validate(frame, rules, "test", DAY, None).results}
    assert counts == dict.fromkeys(counts, 0) | {str(rule): int((~verdicts[rule]).sum()) for rule in verdicts}


def test_order_lines():
    cases = [
        ({}, set()),
        ({"quantity": -2.0, "amount": -10.0}, set()),
        ({"amount": 0.0}, set()),
        ({"fault": "ordered_at is not a TIMESTAMP"}, {"readable"}),
        ({"order_id": None}, {"order_id_not_null"}),
        ({"user_id": " "}, {"user_id_not_blank"}),
        ({"ordered_at": datetime.fromisoformat("1899-12-30")}, {"ordered_at_plausible"}),
        ({"quantity": 0.0, "amount": 0.0}, {"quantity_not_zero"}),
        ({"unit_price": -5.0}, {"unit_price_not_negative"}),
        ({"amount": float("inf")}, {"amount_finite", "amount_not_absurd", "amount_not_impossible"}),
        ({"amount": 1e9}, {"amount_not_absurd", "amount_not_impossible"}),
        ({"amount": None}, {"amount_not_null"}),
        ({"amount": -10.0}, {"amount_not_negative_when_bought"}),
        ({"quantity": -2.0}, {"amount_not_positive_when_returned"}),
        ({"copy_of_key": 1}, {"first_of_its_key"}),
        ({"discount": float("inf")}, {"discount_finite"}),
    ]
    assert_faults(LINE, cases, order_lines.suite)


def warnings(rules) -> set[str]:
    return {rule.name for rule in rules if rule.severity == "warning"}


def test_rules_that_only_report():
    assert "amount_not_absurd" in warnings(order_lines.suite(tuple(LINE)))
    assert {"event_type_one_of", "dwell_seconds_at_most_a_day"} < warnings(events.suite(tuple(EVENT)))


def test_users_and_products():
    staged = {"valid_from": [datetime.fromisoformat("2001-01-01")] * 2, "fault": [None, None], "copy_of_key": [0, 1]}
    assert broken(pd.DataFrame({"user_id": ["u", ""], **staged}), users.suite) == {
        "user_id_not_blank",
        "first_of_its_key",
    }
    frame = pd.DataFrame({"product_id": ["p", None], "list_price": [1.0, -1.0], **staged})
    assert broken(frame, products.suite) == {"product_id_not_null", "list_price_not_negative", "first_of_its_key"}


EVENT = {
    "event_id": "e",
    "user_id": "u",
    "occurred_at": datetime.fromisoformat("2001-01-01"),
    "event_type": "view",
    "dwell_seconds": 3.0,
    "fault": None,
    "copy_of_key": 0,
}


def test_events():
    cases = [
        ({}, set()),
        ({"dwell_seconds": None}, set()),
        ({"event_type": "tour"}, {"event_type_one_of"}),
        ({"dwell_seconds": 9e5}, {"dwell_seconds_at_most_a_day"}),
        ({"fault": "occurred_at is not a TIMESTAMP"}, {"readable"}),
        ({"event_id": " "}, {"event_id_not_blank"}),
        ({"user_id": None}, {"user_id_not_null"}),
        ({"user_id": ""}, {"user_id_not_blank"}),
        ({"occurred_at": datetime.fromisoformat("2101-01-01")}, {"occurred_at_plausible"}),
        ({"event_type": None}, {"event_type_not_null"}),
        ({"event_type": ""}, {"event_type_not_blank", "event_type_one_of"}),
        ({"event_type": "AddToCart"}, {"event_type_one_of"}),
        ({"dwell_seconds": -1.0}, {"dwell_seconds_not_negative"}),
        ({"dwell_seconds": float("inf")}, {"dwell_seconds_finite", "dwell_seconds_at_most_a_day"}),
        ({"copy_of_key": 1}, {"first_of_its_key"}),
    ]
    assert_faults(EVENT, cases, events.suite)


def predictions_suite(columns):
    return predictions.suite(columns, TIERS, BASES)


PREDICTION = {
    "user_id": "a",
    "expected_spend": 5.0,
    "purchase_probability": 0.5,
    "score": 50.0,
    "tier": "mid",
    "basis": "orders",
}


def test_predictions():
    cases = [
        ({}, set()),
        ({"expected_spend": 0.0, "purchase_probability": 0.0, "score": 0.0, "tier": "low"}, set()),
        ({"purchase_probability": 1.0, "score": 100.0, "tier": "high", "basis": "attributes"}, set()),
        ({"expected_spend": -1.0}, {"expected_spend_not_negative"}),
        ({"expected_spend": float("inf")}, {"expected_spend_finite"}),
        ({"expected_spend": None}, {"expected_spend_not_null"}),
        ({"purchase_probability": 1.1}, {"purchase_probability_probability"}),
        ({"score": 101.0}, {"score_percentile"}),
        ({"tier": "rich"}, {"tier_one_of"}),
        ({"basis": "guess"}, {"basis_one_of"}),
        ({"basis": None}, {"basis_not_null"}),
        ({"user_id": "twice"}, {"user_id_unique"}),
        ({"user_id": "twice"}, {"user_id_unique"}),
    ]
    cases = [({"user_id": str(number)} | change, rules) for number, (change, rules) in enumerate(cases)]
    assert_faults(PREDICTION, cases, predictions_suite)


def test_the_same_tier_for_all_users_is_reported():
    assert broken(pd.DataFrame([PREDICTION, PREDICTION | {"user_id": "b"}]), predictions_suite) == {"tier_varies"}


def feature(name: str, **changes) -> Feature:
    given = {"unit": Unit.MONEY, "description": "", "phrase": "", "expression": lambda day: day.spend.sum()}
    return Feature(name, **(given | changes))


def test_features_follow_their_definitions():
    definitions = [
        feature("spend"),
        feature("orders", unit=Unit.PURCHASE_DAYS),
        feature("share", unit=Unit.SHARE_OF_PURCHASE_DAYS),
        feature("gap", unit=Unit.DAYS, default=None),
        feature("region", kind="category", unit=Unit.CATEGORY, default="missing"),
        feature("absent"),
    ]
    frame = pd.DataFrame(
        {
            "snapshot_date": [DAY, DAY],
            "user_id": ["a", "b"],
            "spend": [-3.0, 4.0],
            "orders": [0.0, 1.0],
            "share": [0.0, 1.0 + 1e-12],
            "gap": [None, 1.0],
            "region": ["missing", "north"],
        }
    )

    def suite(columns):
        return features.suite(definitions, columns)

    assert broken(frame, suite) == {"gap_varies"}
    worse = frame.assign(
        spend=[None, float("inf")], orders=[-1.0, 1.0], share=[0.0, 2.0], gap=[-1.0, 1.0], region=["", "north"]
    )
    assert broken(worse, suite) == {
        "spend_not_null",
        "spend_finite",
        "spend_varies",
        "orders_not_negative",
        "share_share",
        "gap_not_negative",
        "region_not_blank",
    }
    assert "user_id_unique" not in broken(pd.concat([frame, frame]), suite)
    assert "snapshot_date_user_id_unique" in broken(pd.concat([frame, frame]), suite)


def test_every_feature_has_rules():
    columns = tuple(feature.name for feature in FEATURES)
    named = {column for rule in features.suite(FEATURES, columns) for column in rule.columns}
    assert set(columns) <= named
