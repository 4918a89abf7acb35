"""Decide whether a night's checks ask for a retraining: a pure function of this night's checks and those before."""

from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd

from features.definitions import BY_NAME
from models.measures.drift import persistent
from pipelines.lake.names import ALARM
from pipelines.sections import Monitor

NAMED = 3
"""Maximum number of checks that a reason names."""

WORSE = 2.0
"""Factor on the value at an alarm beyond which the same cause raises another."""


class Verdict(NamedTuple):
    """Decision on a retraining, and its reason in one sentence."""

    alarm: bool
    reason: str
    days: int


def decide(config: Monitor, snapshot_date: date, version: str, checks: pd.DataFrame, history: pd.DataFrame) -> Verdict:
    """Raise an alarm if a check is violated on `days` of the last `of_days` nights and its cause is not paused.

    A cause is a column, or a feature in all its windows. After an alarm it is paused for `pause_days`, and for as long
    as it lasts: the same retraining again would find the same. Other causes, and the same at twice the value, are not.

    Args:
        config: settings of monitoring.
        snapshot_date: tonight's snapshot.
        version: the champion.
        checks: name, kind, value, threshold, violated of tonight, worst first.
        history: the same of earlier nights, with snapshot_date and model_version; rows `ALARM` are the alarms.
    """
    past = history[history["violated"].astype(bool) & (history["name"] != ALARM)]
    recent = past[past["snapshot_date"] > snapshot_date - timedelta(days=config.of_days)]
    recent = recent[recent["model_version"] == version]
    by_day = [frozenset(rows["name"] + " " + rows["kind"]) for _, rows in recent.groupby("snapshot_date")]
    violated = checks[checks["violated"]]
    names = violated["name"] + " " + violated["kind"]
    lasting = set(persistent([*by_day, frozenset(names)], config.days, config.of_days))
    if not lasting:
        return Verdict(alarm=False, reason=f"No check is violated on {config.days} of {config.of_days} days.", days=0)
    worst = violated[names.isin(lasting)]
    days = max(1 + sum(name in day for day in by_day) for name in lasting)
    alarms = sorted(history.loc[(history["name"] == ALARM) & history["violated"].astype(bool), "snapshot_date"])
    paused = {
        f"{one['name']} {one['kind']}": asked
        for _, one in worst.iterrows()
        if (asked := _paused_by(config, snapshot_date, one, past, alarms)) is not None
    }
    fresh = [label not in paused for label in worst["name"] + " " + worst["kind"]]
    named = worst[fresh] if any(fresh) else worst
    reason = f"Drift on at least {config.days} of {config.of_days} days up to {snapshot_date}: {_in_words(named)}."
    if any(fresh):
        return Verdict(alarm=True, reason=reason, days=days)
    waits = f" A retraining was asked for on {max(paused.values())} for the same cause; it is asked for again "
    again = f"{config.pause_days} days after it at the earliest, once the cause has ended and come back, or doubled."
    return Verdict(alarm=False, reason=reason + waits + again, days=days)


def cause(name: str) -> str:
    """Cause that a check stands for: a feature's measure in all its windows, or the column itself.

    >>> cause("features.spend_28d"), cause("features.spend_total"), cause("days.spend")
    ('features.spend', 'features.spend', 'days.spend')
    """
    feature = BY_NAME.get(name.removeprefix("features.")) if name.startswith("features.") else None
    return f"features.{feature.measure}" if feature else name


def _paused_by(
    config: Monitor, snapshot_date: date, one: "pd.Series", past: pd.DataFrame, alarms: list[date]
) -> date | None:
    """Alarm that covers this check: recent, or since then without an end; None if the check raises one of its own."""
    name, kind, value = str(one["name"]), str(one["kind"]), float(one["value"])
    same = past[past["name"].map(cause) == cause(name)]
    for asked in reversed(alarms):
        then = _lasting(config, same, asked)
        if then.empty:
            continue
        before = then.loc[(then["name"] == name) & (then["kind"] == kind), "value"]
        if len(before) and value >= WORSE * float(before.max()):
            return None
        nights = (snapshot_date - asked).days
        lasted = same.loc[same["snapshot_date"] >= asked, "snapshot_date"].nunique()
        return asked if nights <= config.pause_days or 2 * lasted >= nights else None
    return None


def _lasting(config: Monitor, violated: pd.DataFrame, day: date) -> pd.DataFrame:
    """Checks of a day that were violated long enough to have raised its alarm."""
    recent = violated["snapshot_date"].between(day - timedelta(days=config.of_days - 1), day)
    nights = violated[recent].groupby(["name", "kind"])["snapshot_date"].transform("nunique")
    return violated[recent][(nights >= config.days) & (violated[recent]["snapshot_date"] == day)]


def _in_words(checks: pd.DataFrame) -> str:
    worst = checks.head(NAMED)
    words = [
        f"{one.name} {one.kind} {one.value:.3g} (normal up to {one.threshold:.3g})"
        for one in worst.itertuples(index=False)
    ]
    return "; ".join([*words, *([f"{len(checks) - len(worst)} more"] if len(checks) > len(worst) else [])])
