"""What the charts show, as static/charts.js reads it: a kind, labels, and series named by the colour they take.

Each chart stands beside a table of the same numbers.
"""

from collections.abc import Sequence
from typing import Any

from models.predictions import TIERS
from serving.dashboard.findings import Decile, Importance
from serving.dashboard.picture import BUCKETS, Picture
from serving.dashboard.values import MonitoredDay, Row

Spec = dict[str, Any]
BARS = 12
"""Features in the chart of importances."""


def series(label: str, data: Sequence[float | None], colour: str, **more: object) -> Spec:
    """One set of bars or one line; `colour` is a name that the stylesheet gives a value."""
    return {"label": label, "data": list(data), "colour": colour, **more}


def distribution(picture: Picture) -> Spec:
    """Users by score, in steps of 5 points, stacked by tier."""
    step = 100 // BUCKETS
    return {
        "kind": "bar",
        "stacked": True,
        "labels": [f"{step * number}-{step * (number + 1)}" for number in range(BUCKETS)],
        "x": "score",
        "y": "users",
        "series": [series(tier, picture.distribution[tier], tier) for tier in reversed(TIERS)],
    }


def shares(picture: Picture) -> Spec:
    """Each tier's share of users and of expected spend, in per cent."""
    users, spend = picture.users or 1, picture.spend or 1.0
    parts = {tier: (100 * count / users, 100 * money / spend) for tier, count, money in picture.tiers}
    return {
        "kind": "bar",
        "stacked": True,
        "horizontal": True,
        "labels": ["users", "expected spend"],
        "x": "%",
        "series": [series(tier, [round(part, 1) for part in parts[tier]], tier) for tier in TIERS],
    }


def calibration(deciles: Sequence[Decile]) -> Spec:
    """Mean expected and mean true spend by decile of expected spend."""
    return {
        "kind": "bar",
        "labels": [str(row.decile) for row in deciles],
        "x": "decile of expected spend",
        "y": "mean spend",
        "series": [
            series("expected", [round(row.mean_expected, 2) for row in deciles], "accent"),
            series("came", [round(row.mean_spend, 2) for row in deciles], "quiet"),
        ],
    }


def alarms(history: Sequence[MonitoredDay]) -> Spec:
    """Violated checks by snapshot."""
    return {
        "kind": "bar",
        "labels": [day.snapshot_date.isoformat() for day in history],
        "y": "violated checks",
        "series": [series("violated checks", [day.violated for day in history], "bad")],
    }


def importances(rows: Sequence[Importance]) -> Spec:
    """Mean effect of the most important features, in points of the score."""
    top = rows[:BARS]
    return {
        "kind": "bar",
        "horizontal": True,
        "labels": [row.feature for row in top],
        "x": "mean effect, points of the score",
        "series": [series("effect", [round(row.effect, 2) for row in top], "accent")],
    }


def course(rows: Sequence[Row]) -> Spec:
    """A user's score and expected spend by snapshot."""
    return {
        "kind": "line",
        "labels": [row["snapshot_date"].isoformat() for row in rows],
        "y": "score",
        "y2": "expected spend",
        "most": 100,
        "series": [
            series("score", [round(row["score"], 2) for row in rows], "accent"),
            series("expected spend", [round(row["expected_spend"], 2) for row in rows], "mid", second=True),
        ],
    }
