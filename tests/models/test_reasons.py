import numpy as np
import pandas as pd
import pytest

from models.reasons import Reasons, standing

RANDOM = np.random.default_rng(0)
USERS = pd.DataFrame(
    {
        "spend_28d": RANDOM.permutation(1_000).astype(float),
        "spend_91d": np.zeros(1_000),
        "noise": RANDOM.random(1_000),
        "region": RANDOM.choice(["north", "south", "missing"], 1_000),
    }
)
SCORE = USERS["spend_28d"].to_numpy() / 20 + np.where(USERS["region"] == "north", 40, 0)
PHRASES = {"spend_28d": "spent {value:,.0f}", "spend_91d": "spent {value:,.0f} in all", "region": "area: {value}"}


def explain(users: pd.DataFrame, top: int = 3) -> list[str]:
    return Reasons(PHRASES, top).fit(USERS, SCORE).explain(users)


def test_who_is_high_is_told_what_raised_the_score_and_who_is_low_what_lowered_it() -> None:
    users = pd.DataFrame({"spend_28d": [995.0, 4.0], "spend_91d": 0.0, "noise": 0.5, "region": ["north", "south"]})
    high, low = explain(users)
    assert set(high.split("; ")) == {"spent 995, more than 99 % of shoppers", "area: north"}
    assert set(low.split("; ")) == {"spent 4, less than 99 % of shoppers", "area: south"}


def test_no_more_reasons_than_asked_for() -> None:
    assert all(";" not in text for text in explain(USERS, top=1))
    assert all(explain(USERS[USERS["region"] != "missing"], top=1))


def test_what_is_not_known_is_no_reason() -> None:
    users = pd.DataFrame({"spend_28d": [np.nan], "spend_91d": 0.0, "noise": 0.5, "region": ["missing"]})
    assert explain(users) == [""]


def test_a_feature_without_a_phrase_is_no_reason() -> None:
    assert Reasons({}, 3).fit(USERS, SCORE).explain(USERS.iloc[:2]) == ["", ""]


def test_windows_of_one_measure_give_one_reason() -> None:
    users = USERS.assign(spend_91d=USERS["spend_28d"] + RANDOM.random(1_000))
    texts = Reasons(PHRASES, 3).fit(users, users["spend_28d"].to_numpy()).explain(users)
    assert max(text.count("spent") for text in texts) == 1


def test_nobody() -> None:
    assert explain(USERS.iloc[:0]) == []


@pytest.mark.parametrize(
    ("below", "above", "text"),
    [
        (0.929, 0.06, ", more than 92 % of shoppers"),
        (1.0, 0.0, ", more than 99 % of shoppers"),
        (0.1, 0.85, ", less than 85 % of shoppers"),
        (0.4, 0.3, ", like the typical shopper"),
    ],
)
def test_standing(below: float, above: float, text: str) -> None:
    assert standing(below, above) == text
