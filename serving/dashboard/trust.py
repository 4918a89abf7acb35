"""What the lake says of how far the scores can be trusted: checks, kept promises and refused rows."""

from collections import Counter
from dataclasses import fields
from datetime import date
from pathlib import Path

from features.schema import TABLES
from pipelines.errors import PurseError
from pipelines.lake import commit_log, tables
from pipelines.lake.missing import missing, named
from pipelines.lake.names import ALARM, ODD_IDS, REALISED
from pipelines.links import data_docs_url
from pipelines.results.data import Validated
from pipelines.results.result import read_result
from pipelines.retraining.matured import newest_matured
from pipelines.settings import Settings
from serving.dashboard.values import DayRows, DriftCheck, MonitoredDay, Monitoring, OddId, Row, TableQuality, Validation

DAYS = 60
"""Newest monitored snapshots in the history."""

NEWEST = 14
"""Newest days whose rows are listed."""


def monitored(settings: Settings) -> Monitoring | None:
    """Read the newest monitoring and its history; None before the first."""
    days = tables.days(settings, "monitoring", "snapshot_date")
    if not days:
        return None
    table = tables.open_table(settings, "monitoring")
    rows = tables.read_opened(tables.connect(), table, days[-DAYS:]).to_pyarrow().to_pylist()
    today = [row for row in rows if row["snapshot_date"] == days[-1]]
    drift = [_check(row) for row in today if row["name"] not in (ALARM, REALISED)]
    return Monitoring(
        snapshot_date=days[-1],
        model_version=today[0]["model_version"],
        drift=sorted(drift, key=lambda check: (not check.violated, -check.ratio)),
        realised={row["kind"]: _check(row) for row in today if row["name"] == REALISED},
        alarm=any(row["violated"] for row in today if row["name"] == ALARM),
        history=[_day(day, [row for row in rows if row["snapshot_date"] == day]) for day in days[-DAYS:]],
    )


def matured_version(settings: Settings, snapshot_date: date) -> str | None:
    """The version whose matured scores the monitoring of a snapshot measured; None if there are none any more."""
    matured = newest_matured(settings, snapshot_date)
    if matured is None:
        return None
    table = tables.open_table(settings, "predictions")
    rows = tables.read_opened(tables.connect(), table, [matured]).select("model_version").limit(1).to_pyarrow()
    return str(rows["model_version"][0])


def quality(settings: Settings) -> list[TableQuality]:
    """Count the rows of each loaded table that were taken and refused.

    Rows come from the lake's log; only refused ones are read.
    """
    result = []
    for name in TABLES:
        if not tables.exists(settings, f"raw/{name}"):
            continue
        kept = commit_log.row_counts(tables.open_table(settings, f"raw/{name}"))
        refused = _refused_days(settings, name)
        newest = sorted({*kept, *refused} - {tables.UNDATED}, reverse=True)[:NEWEST]
        result.append(
            TableQuality(
                table=name,
                kept=sum(kept.values()),
                refused=sum(refused.values()),
                reasons=_reasons(settings, name) if refused else [],
                days=[DayRows(day, kept.get(day, 0), refused.get(day, 0)) for day in newest],
                missing=named(missing(settings, name)),
            )
        )
    return result


def validation(settings: Settings) -> Validation | None:
    """Read the warnings of the newest validation, by table; None if none has left a result that can be read."""
    days = sorted(path.parent.name for path in settings.home_path.glob(f"results/*/{Validated.step}.json"))
    if not days:
        return None
    try:
        found = read_result(settings, date.fromisoformat(days[-1]), Validated)
    except (PurseError, ValueError):
        return None
    by_table = [(name, one.warnings, _page(settings, one.data_docs)) for name, one in found.tables.items()]
    reported = {text for _name, texts, _address in by_table for text in texts}
    general = [text for text in found.warnings if text not in reported]
    with_any = [one for one in (*by_table, ("", general, "")) if one[1]]
    return Validation(found.from_date, found.to_date, with_any)


def odd_ids(settings: Settings) -> list[OddId]:
    """Read the ids to look at, by reason; most rows first."""
    if not tables.exists(settings, ODD_IDS):
        return []
    names = [field.name for field in fields(OddId)]
    rows = tables.read(tables.connect(), settings, ODD_IDS).select(*names).to_pyarrow().to_pylist()
    return sorted((OddId(**row) for row in rows), key=lambda one: (one.kind, one.table, one.same_as or "", -one.rows))


def _page(settings: Settings, path: str) -> str:
    """Address of a report; empty if it is no page of this home's Data Docs."""
    try:
        return data_docs_url(settings, Path(path).relative_to(settings.data_docs).as_posix())
    except ValueError:
        return ""


def _check(row: Row) -> DriftCheck:
    return DriftCheck(row["name"], row["kind"], row["value"], row["threshold"], row["violated"])


def _day(day: date, rows: list[Row]) -> MonitoredDay:
    checks = [row for row in rows if row["name"] != ALARM]
    return MonitoredDay(
        snapshot_date=day,
        checks=len(checks),
        violated=sum(row["violated"] for row in checks),
        alarm=any(row["violated"] for row in rows if row["name"] == ALARM),
    )


def _refused_days(settings: Settings, name: str) -> dict[date, int]:
    table = f"quarantine/{name}"
    return commit_log.row_counts(tables.open_table(settings, table)) if tables.exists(settings, table) else {}


def _reasons(settings: Settings, name: str) -> list[tuple[str, int]]:
    rows = tables.read(tables.connect(), settings, f"quarantine/{name}")
    counted: Counter[str] = Counter()
    for group in rows.group_by("reason").aggregate(rows=lambda some: some.count()).to_pyarrow().to_pylist():
        counted.update(dict.fromkeys(str(group["reason"]).split(", "), group["rows"]))
    return counted.most_common()
