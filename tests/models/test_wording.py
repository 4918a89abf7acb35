import pytest

from models.wording import measure_of, say, singular, standing


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
        ("bought 21 items, 0.1 days, 1,001 items", "bought 21 items, 0.1 days, 1,001 items"),
    ],
)
def test_one_is_singular(text: str, expected: str) -> None:
    assert singular(text) == expected


def test_windows_totals_and_decayed_sums_are_one_measure() -> None:
    names = ("spend_28d", "spend_decayed_28d", "spend_total", "spend_per_day")
    assert {measure_of(name) for name in names} == {"spend"}
    assert [measure_of(name) for name in ("T", "spend_per_order_28d", "gap_mean")] == [
        *("T", "spend_per_order", "gap_mean")
    ]


def test_a_comparison_in_the_words_of_the_measure() -> None:
    ago = "last bought {value:.0f} days ago"
    assert say(ago, "days_since_last_order", 80.0, 0.9, 0.1).endswith("80 days ago, longer ago than 90 % of shoppers")
    assert say("comes every {value:.0f} days", "gap_mean", 3.0, 0.9, 0.1) == "comes every 3 days"
    assert say("spends {value:.0f}", "monetary_value", 0.0, 0.0, 0.6) == "has bought on one day only"
