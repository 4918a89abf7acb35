"""Checks of a night: what moved away from the champion's training by more than the passage of days explains."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import pandas as pd

from models.measures.drift import Finding, Summary, check
from models.measures.passage import TREND_DAYS, find_fall, trend_limit
from pipelines.retraining.reference.learned import Reference, moves_by_calendar

COLUMNS = ["name", "kind", "value", "threshold"]


def find_drift(
    snapshot: date, reference: Reference, now: Mapping[str, Summary], past: pd.DataFrame, spreads: float, of_days: int
) -> Iterator[tuple[str, Finding]]:
    """Yield name and finding of every column in both today and the reference.

    A column that moves by the calendar is compared by its missing share only. Features and predictions describe weeks
    and years and move slowly in every shop; their thresholds follow that movement, and single days show drift.

    Args:
        snapshot: tonight's snapshot.
        reference: the champion's reference.
        now: summaries of today.
        past: checks of earlier nights with this champion: snapshot_date, name, kind, value.
        spreads: standard deviations beyond which a value is drift.
        of_days: newest nights that may hold a drift already; the movement is taken from the nights before.
    """
    lag, start = float((snapshot - reference.snapshot).days), snapshot - timedelta(days=TREND_DAYS + of_days)
    recent = past[(past["snapshot_date"] >= start) & (past["snapshot_date"] <= snapshot - timedelta(days=of_days))]
    earlier = dict(iter(recent.groupby(["name", "kind"])))
    for name in (name for name in reference.columns if name in now):
        for found in check(reference.columns[name], now[name], lag, spreads):
            if found.measure != "missing" and moves_by_calendar(name):
                continue
            nights = earlier.get((name, found.measure))
            if nights is None or name.startswith("days."):
                yield name, found
                continue
            numbers = [(day - snapshot).days for day in nights["snapshot_date"]]
            limit = trend_limit(numbers, nights["value"].tolist(), 0, spreads)
            yield name, found._replace(threshold=max(found.threshold, limit))


def find_falls(counts: Mapping[str, Mapping[date, int]], snapshot: date) -> Iterator[tuple[str, Finding]]:
    """Yield the check of each count of users by day, as `days.<name>`: a feed that ends has no rows to compare.

    A day without a single order was not loaded: `ingest` and `validate` report it.
    """
    day = snapshot - timedelta(days=1)
    if "orders" in counts and day not in counts["orders"]:
        return
    for name, by_day in counts.items():
        found = find_fall(by_day, day)
        if found is not None:
            yield f"days.{name}", found


def frame(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    """Checks as name, kind, value, threshold and violated; furthest beyond the threshold first."""
    checks = pd.DataFrame(rows, columns=COLUMNS).astype(
        {"name": "object", "kind": "object", "value": float, "threshold": float}
    )
    checks["violated"] = checks["value"] > checks["threshold"]
    ratio = checks["value"] / checks["threshold"].clip(lower=1e-12)
    return checks.loc[ratio.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
