"""Values that the pages show, row by row of their tables."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Row = dict[str, Any]
"""A row of a table of the lake or of an artifact, by column."""


@dataclass(frozen=True)
class UserScore:
    """A user's score, from the lake or live."""

    user_id: str
    score: float
    tier: str
    expected_spend: float
    spend_low: float | None
    spend_high: float | None
    purchase_probability: float
    reasons: list[str]
    basis: str
    model_version: str
    snapshot_date: date
    horizon_days: int
    scored_at: datetime
    live: bool
    baseline: str | None = None


@dataclass(frozen=True)
class Change:
    """A feature that moved between two snapshots; standings are percentile ranks among all users, 0 to 1."""

    feature: str
    text: str
    unit: str
    before: float
    now: float
    standing_before: float
    standing_now: float

    @property
    def movement(self) -> float:
        """Movement among the users, as a share of them."""
        return abs(self.standing_now - self.standing_before)


@dataclass(frozen=True)
class DriftCheck:
    """A drift check of a snapshot; `ratio` is the value in parts of the threshold."""

    name: str
    kind: str
    value: float
    threshold: float
    violated: bool

    @property
    def ratio(self) -> float:
        """Value over threshold."""
        return self.value / max(self.threshold, 1e-12)


@dataclass(frozen=True)
class MonitoredDay:
    """Checks of a snapshot, and whether they asked for a retraining."""

    snapshot_date: date
    checks: int
    violated: int
    alarm: bool


@dataclass(frozen=True)
class Monitoring:
    """The newest monitoring: drift checks (violated first), realised checks by kind, and the history (oldest first)."""

    snapshot_date: date
    model_version: str
    drift: list[DriftCheck]
    realised: dict[str, DriftCheck]
    alarm: bool
    history: list[MonitoredDay]


@dataclass(frozen=True)
class DayRows:
    """Rows of a day that were taken and refused."""

    day: date
    kept: int
    refused: int


@dataclass(frozen=True)
class TableQuality:
    """Rows of a table that were taken and refused; a row that breaks two rules counts for both reasons.

    `missing` names days without rows between loaded ones, empty without any.
    """

    table: str
    kept: int
    refused: int
    reasons: list[tuple[str, int]]
    days: list[DayRows]
    missing: str


@dataclass(frozen=True)
class Promise:
    """A measure that the evaluation promised, what came, and the limit: the least or the most that is allowed."""

    title: str
    promised: float
    came: float
    limit: float
    kept: bool
    at_least: bool


@dataclass(frozen=True)
class TrendPoint:
    """Some users in one snapshot: how many, and their expected spend in money."""

    snapshot_date: date
    users: int
    spend: float


@dataclass(frozen=True)
class Trend:
    """Course of a number by snapshot: the points of a line in a box of 100 by 24, and the last change as a share."""

    line: str
    snapshots: int
    since: date
    change: float | None


@dataclass(frozen=True)
class LiveRows:
    """What a user did since a snapshot: orders, their amount in money, and events."""

    orders: int = 0
    amount: float = 0.0
    events: int = 0


@dataclass(frozen=True)
class OddId:
    """Id of a user or order to look at: its table, why, what it is in another form, its rows, and their money."""

    table: str
    kind: str
    odd_id: str
    same_as: str | None
    rows: int
    amount: float


@dataclass(frozen=True)
class Validation:
    """Warnings of the newest validation of days, `to_date` exclusive: table ("" for all), texts, and its report."""

    from_date: date
    to_date: date
    tables: list[tuple[str, list[str], str]]
