"""What the charts show, as static/purse.js reads it: a kind, labels, and series named by the colour they take.

Each chart stands beside a table of the same numbers. A bar with an address in `links` leads to it.
"""

from collections.abc import Sequence
from typing import Any

from models.predictions import TIERS
from serving.dashboard import formats
from serving.dashboard.feature_words import brief
from serving.dashboard.findings import Decile, Importance
from serving.dashboard.language import _, gettext
from serving.dashboard.picture import BUCKETS, Picture
from serving.dashboard.population import Choice
from serving.dashboard.segments import link
from serving.dashboard.values import MonitoredDay, Row, UserScore

Spec = dict[str, Any]
BARS = 12
"""Features in the chart of importances."""


def series(label: str, data: Sequence[float | None], colour: str, **more: object) -> Spec:
    """One set of bars or one line; `colour` is a name that the stylesheet gives a value."""
    return {"label": label, "data": list(data), "colour": colour, **more}


def distribution(picture: Picture, choice: Choice) -> Spec:
    """Users by score, in steps of 5 points, stacked by tier; a bar leads to the list of its users."""
    step = 100 // BUCKETS
    steps = [(step * number, step * (number + 1)) for number in range(BUCKETS)]
    return {
        "kind": "bar",
        "stacked": True,
        "counts": True,
        "labels": [f"{low}-{high}" for low, high in steps],
        "x": _("score"),
        "y": _("users"),
        "series": [
            series(
                gettext(tier),
                picture.distribution[tier],
                tier,
                links=[link({**choice, "tier": tier}, score_from=low, score_to=high) for low, high in steps],
            )
            for tier in reversed(TIERS)
        ],
    }


def shares(picture: Picture, choice: Choice) -> Spec:
    """Each tier's share of users and of expected spend, in per cent; a bar leads to the list of the tier's users."""
    users, spend = picture.users or 1, picture.spend or 1.0
    parts = {tier: (100 * count / users, 100 * money / spend) for tier, count, money in picture.tiers}
    return {
        "kind": "bar",
        "stacked": True,
        "horizontal": True,
        "labels": [_("users"), _("expected spend")],
        "x": "%",
        "series": [
            series(
                gettext(tier),
                [round(part, 1) for part in parts[tier]],
                tier,
                links=[link({**choice, "tier": tier})] * 2,
            )
            for tier in TIERS
        ],
    }


def calibration(deciles: Sequence[Decile]) -> Spec:
    """Mean expected and mean true spend by decile of expected spend."""
    return {
        "kind": "bar",
        "labels": [str(row.decile) for row in deciles],
        "x": _("tenth of the users, by expected spend"),
        "y": _("mean spend"),
        "series": [
            series(_("expected"), [round(row.mean_expected, 2) for row in deciles], "accent"),
            series(_("spent"), [round(row.mean_spend, 2) for row in deciles], "quiet"),
        ],
    }


def alarms(history: Sequence[MonitoredDay]) -> Spec:
    """Violated checks by snapshot."""
    return {
        "kind": "bar",
        "labels": [formats.day(one.snapshot_date) for one in history],
        "counts": True,
        "y": _("violated checks"),
        "series": [series(_("violated checks"), [one.violated for one in history], "bad")],
    }


def importances(rows: Sequence[Importance]) -> Spec:
    """Mean effect of the most important features, in points of the score."""
    top = rows[:BARS]
    return {
        "kind": "bar",
        "horizontal": True,
        "labels": [brief(row.feature) for row in top],
        "x": _("points of the score, on average"),
        "series": [series(_("effect"), [round(row.effect, 2) for row in top], "accent")],
    }


def course(rows: Sequence[Row], live: UserScore | None) -> Spec:
    """A user's score and expected spend by snapshot, and the live score as the last point."""
    points = [(formats.day(row["snapshot_date"]), row["score"], row["expected_spend"]) for row in rows]
    if live is not None:
        points.append((_("live"), live.score, live.expected_spend))
    return {
        "kind": "line",
        "labels": [label for label, _score, _spend in points],
        "y": _("score"),
        "y2": _("expected spend"),
        "most": 100,
        "series": [
            series(_("score"), [round(score, 2) for _label, score, _spend in points], "accent"),
            series(_("expected spend"), [round(spend, 2) for _label, _score, spend in points], "mid", second=True),
        ],
    }
