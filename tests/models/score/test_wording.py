import numpy as np
import pandas as pd
import pytest

from features.definitions import FEATURES
from models.encoding import measure_of
from models.score.wording import KINDS, can_stand_in, longest_first, say, singular, stand_in, standing


@pytest.mark.parametrize(
    ("below", "above", "text"),
    [
        (0.929, 0.06, ", more than 92 % of shoppers"),
        (1.0, 0.0, ", more than 99 % of shoppers"),
        (0.1, 0.85, ", less than 85 % of shoppers"),
        (0.4, 0.3, ", like the typical shopper"),
        (0.5, 0.49, ", like the typical shopper"),
    ],
)
def test_standing(below: float, above: float, text: str) -> None:
    assert standing(below, above) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bought 1 items in the last 28 days", "bought 1 item in the last 28 days"),
        ("last bought 1 days ago", "last bought 1 day ago"),
        ("bought from 1 categories", "bought from 1 category"),
        ("had 1 sessions, searched 1 times", "had 1 session, searched 1 time"),
        ("bought 21 items, 0.1 days, 1,001 items", "bought 21 items, 0.1 days, 1,001 items"),
    ],
)
def test_one_is_singular(text: str, expected: str) -> None:
    assert singular(text) == expected


def test_windows_totals_and_decayed_sums_are_one_measure() -> None:
    names = ("spend_28d", "spend_decayed_28d", "spend_total", "spend_per_day")
    assert {measure_of(name) for name in names} == {"spend"}
    assert [measure_of(name) for name in ("T", "spend_per_purchase_day_28d", "gap_mean")] == [
        *("T", "spend_per_purchase_day", "gap_mean")
    ]


def test_the_window_to_tell_is_the_shortest_that_holds_the_same_and_has_a_phrase() -> None:
    spend = np.arange(20.0)
    users = pd.DataFrame({"spend_28d": spend, "spend_56d": spend, "spend_91d": spend, "spend_total": spend})
    phrases = {"spend_28d": "", "spend_56d": "{value}", "spend_91d": "{value}"}
    assert [stand_in(users, name, phrases) for name in users] == [
        *("spend_28d", "spend_56d", "spend_56d", "spend_total")
    ]
    users.loc[:1, "spend_56d"] = 7  # the same for 90 %
    assert stand_in(users, "spend_91d", phrases) == "spend_91d"


def test_of_which_users_a_column_is_told_in_place_of_another() -> None:
    shorter = pd.Series([0.0, 0.0, 95.0, 94.0, -2.0, np.nan])
    longer = [0.0, 729.0, 100.0, 100.0, -2.0, 1.0]
    equal = [True, False, True, False, True, False]
    assert can_stand_in(shorter, pd.Series(longer, name="spend_91d")).tolist() == equal
    assert can_stand_in(shorter, pd.Series(longer, name="spend_decayed_28d")).tolist() == [True] * 5 + [False]


def test_longest_first() -> None:
    names = ["spend_28d", "spend_182d", "spend_56d", "spend_decayed_28d"]
    assert longest_first(names) == ["spend_decayed_28d", "spend_182d", "spend_56d", "spend_28d"]


def test_a_comparison_in_the_words_of_the_measure() -> None:
    ago = "last bought {value:.0f} days ago"
    assert say(ago, "days_since_last_order", 80.0, 0.9, 0.1).endswith("80 days ago, longer ago than 90 % of shoppers")
    assert say("comes every {value:.0f} days", "gap_mean", 3.0, 0.9, 0.1) == "comes every 3 days"
    assert say("spends {value:.0f}", "monetary_value", 0.0, 0.0, 0.6) == "has bought on one day only"


def test_every_measure_with_a_phrase_is_of_one_kind() -> None:
    told = {feature.measure for feature in FEATURES if feature.phrase}
    of_a_kind = [measure for measures in KINDS.values() for measure in measures]
    assert len(of_a_kind) == len(set(of_a_kind))
    assert told == set(of_a_kind)
