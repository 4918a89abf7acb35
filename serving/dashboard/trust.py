"""What the lake says of how far the scores can be trusted: checks, kept promises and refused rows."""

from collections import Counter
from datetime import date
from typing import Any

from features.schema import TABLES
from pipelines.lake import commit_log, tables
from pipelines.lake.names import ALARM, MONITORING, REALISED
from pipelines.retraining.matured import newest_matured
from pipelines.settings import Settings

DAYS = 60
"""Newest monitored snapshots in the history."""

NEWEST = 14
"""Newest days of which the rows are listed."""


def monitored(settings: Settings) -> dict[str, Any] | None:
    """The newest monitoring and its history; None before the first.

    Returns:
        snapshot_date, model_version, drift (name, kind, value, threshold, violated, ratio: value in parts of the
        threshold; violated first, then by ratio), realised (value and threshold by kind; empty while no scores have
        matured), alarm and history (snapshot_date, checks, violated, alarm; oldest first).
    """
    days = tables.days(settings, MONITORING, "snapshot_date")
    if not days:
        return None
    table = tables.open_table(settings, MONITORING)
    rows = tables.read_opened(tables.connect(), table, days[-DAYS:]).to_pyarrow().to_pylist()
    today = [row for row in rows if row["snapshot_date"] == days[-1]]
    drift = [
        {**row, "ratio": row["value"] / max(row["threshold"], 1e-12)}
        for row in today
        if row["name"] not in (ALARM, REALISED)
    ]
    drift.sort(key=lambda row: (not row["violated"], -row["ratio"]))
    return {
        "snapshot_date": days[-1],
        "model_version": today[0]["model_version"],
        "drift": drift,
        "realised": {row["kind"]: row for row in today if row["name"] == REALISED},
        "alarm": any(row["violated"] for row in today if row["name"] == ALARM),
        "history": [_day(day, [row for row in rows if row["snapshot_date"] == day]) for day in days[-DAYS:]],
    }


def matured_version(settings: Settings, snapshot_date: date) -> str | None:
    """The version whose matured scores the monitoring of a snapshot measured; None if there are none any more."""
    matured = newest_matured(settings, snapshot_date)
    if matured is None:
        return None
    table = tables.open_table(settings, "predictions")
    rows = tables.read_opened(tables.connect(), table, [matured]).select("model_version").limit(1).to_pyarrow()
    return str(rows["model_version"][0])


def quality(settings: Settings) -> list[dict[str, Any]]:
    """Of each table of the source that was loaded: how many rows were taken, how many refused, and why.

    Returns:
        table, kept, refused, reasons (rule and rows; a row that breaks two counts for both) and days (day, kept,
        refused; the newest first). Rows come from the lake's log; only refused ones are read.
    """
    found = []
    for name in TABLES:
        if not tables.exists(settings, f"raw/{name}"):
            continue
        kept = commit_log.row_counts(tables.open_table(settings, f"raw/{name}"))
        refused = _refused_days(settings, name)
        newest = sorted({*kept, *refused} - {tables.UNDATED}, reverse=True)[:NEWEST]
        found.append(
            {
                "table": name,
                "kept": sum(kept.values()),
                "refused": sum(refused.values()),
                "reasons": _reasons(settings, name) if refused else [],
                "days": [{"day": day, "kept": kept.get(day, 0), "refused": refused.get(day, 0)} for day in newest],
            }
        )
    return found


def _day(day: date, rows: list[dict[str, Any]]) -> dict[str, Any]:
    checks = [row for row in rows if row["name"] != ALARM]
    return {
        "snapshot_date": day,
        "checks": len(checks),
        "violated": sum(row["violated"] for row in checks),
        "alarm": any(row["violated"] for row in rows if row["name"] == ALARM),
    }


def _refused_days(settings: Settings, name: str) -> dict[date, int]:
    table = f"quarantine/{name}"
    return commit_log.row_counts(tables.open_table(settings, table)) if tables.exists(settings, table) else {}


def _reasons(settings: Settings, name: str) -> list[tuple[str, int]]:
    rows = tables.read(tables.connect(), settings, f"quarantine/{name}")
    counted: Counter[str] = Counter()
    for group in rows.group_by("reason").aggregate(rows=lambda some: some.count()).to_pyarrow().to_pylist():
        counted.update(dict.fromkeys(str(group["reason"]).split(", "), group["rows"]))
    return counted.most_common()
