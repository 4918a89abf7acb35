"""What the service answers: documented as models, prepared as JSON when a score is computed, before it is asked for.

The bytes of a score hold everything but `age_seconds`, which is added at the end as they are sent.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import orjson
from pydantic import BaseModel, ConfigDict, Field

from serving.clock import in_seconds
from serving.release import SCORES, Release
from serving.store import StoredScore

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 5_000
ANN: dict[str, Any] = {
    "user_id": "00001069",
    "score": 87.4,
    "tier": "high",
    "expected_spend": 1240.5,
    "spend_low": 310.0,
    "spend_high": 2480.0,
    "purchase_probability": 0.83,
    "reasons": ["spent 1,310 in the last 28 days", "bought 3 days ago"],
    "basis": "orders",
    "model_version": "3",
    "snapshot_date": "2001-03-01",
    "horizon_days": 28,
    "scored_at": "2001-03-01T02:10:00Z",
    "live": False,
    "age_seconds": 41_400,
}


class Dated(BaseModel):
    """What every answer names: the model, the snapshot and its age."""

    model_version: str = Field(description="version of the registered model")
    snapshot_date: date = Field(description="rows before this day count")
    age_seconds: float = Field(
        description="seconds since the moment up to which every row is known, in the shop's time"
    )


class Score(Dated):
    """What the model says of a user."""

    model_config = ConfigDict(json_schema_extra={"example": ANN})

    user_id: str
    score: float = Field(description="percentile among the users with orders, 0 to 100")
    tier: Literal["high", "mid", "low"]
    expected_spend: float = Field(description="in the horizon, in the shop's money")
    spend_low: float | None = Field(description="lower end of the 80 % interval of the user's spend")
    spend_high: float | None = Field(description="upper end")
    purchase_probability: float = Field(description="of any purchase in the horizon")
    reasons: list[str]
    basis: Literal["orders", "attributes"] = Field(description="attributes: of a user without orders")
    horizon_days: int
    scored_at: datetime
    live: bool = Field(description="whether it counts what happened since the last batch")


class Scores(Dated):
    """The scores of many users."""

    scores: list[Score] = Field(description="in the order in which they were asked for")
    unknown: list[str] = Field(description="ids that have no score")


class Explanation(Score):
    """A score and what it was made of."""

    happened_since: dict[str, int] = Field(description="live rows of the user that count already, by table")


class Tier(BaseModel):
    """A tier of the last batch."""

    tier: Literal["high", "mid", "low"]
    users: int
    share_of_users: float
    share_of_expected_spend: float
    lowest_score: float = Field(description="of its users")
    lowest_expected_spend: float = Field(description="of its users")


class Tiers(Dated):
    """The tiers of the last batch, from the top."""

    horizon_days: int
    tiers: list[Tier]


class Accepted(Dated):
    """What became of rows that were sent."""

    accepted: int = Field(description="rows that are new and durable now")
    duplicates: int = Field(description="rows whose key was known; they change nothing")


def live_scores(
    frame: "pd.DataFrame", release: Release, snapshot_date: date, known_until: float, scored_at: datetime
) -> dict[str, StoredScore]:
    """The engine's answer as scores to keep, by user_id."""
    about = {
        "model_version": release.model_version,
        "snapshot_date": snapshot_date,
        "horizon_days": release.horizon_days,
        "scored_at": scored_at.astimezone(UTC).replace(microsecond=0),
        "live": True,
    }
    return {
        row["user_id"]: StoredScore(
            known_until,
            orjson.dumps(
                {**row, "reasons": _listed(row["reasons"]), **about},
                option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z,
            ),
        )
        for row in frame.to_dict("records")
    }


def release_scores(folder: Path, release: Release) -> Iterator[list[tuple[str, StoredScore]]]:
    """The scores of a release in parts, as they are kept; DuckDB writes the JSON, without Python's lock."""
    known_until = in_seconds(release.snapshot_date)
    with duckdb.connect() as connection:
        connection.execute(
            """
            SELECT user_id, encode(to_json({
                user_id: user_id, score: score, tier: tier::VARCHAR, expected_spend: expected_spend,
                spend_low: spend_low, spend_high: spend_high, purchase_probability: purchase_probability,
                reasons: list_filter(string_split(reasons, '; '), lambda reason: reason <> ''), basis: basis,
                model_version: $version, snapshot_date: $snapshot_date::DATE, horizon_days: $horizon_days,
                scored_at: strftime($created_at::TIMESTAMP, '%Y-%m-%dT%H:%M:%SZ'), live: false
            })::VARCHAR) FROM read_parquet($file)
            """,
            {
                "version": release.model_version,
                "snapshot_date": release.snapshot_date,
                "horizon_days": release.horizon_days,
                "created_at": release.created_at.astimezone(UTC).replace(tzinfo=None),
                "file": str(folder / SCORES),
            },
        )
        while rows := connection.fetchmany(CHUNK):
            yield [(user_id, StoredScore(known_until, body)) for user_id, body in rows]


def release_tiers(folder: Path) -> list[dict[str, Any]]:
    """The tiers of a release's scores, see `Tier`."""
    with duckdb.connect() as connection:
        found = connection.execute(
            """
            SELECT tier::VARCHAR AS tier, count(*) AS users, count(*) / sum(count(*)) OVER () AS share_of_users,
                coalesce(sum(expected_spend) / nullif(sum(sum(expected_spend)) OVER (), 0), 0)
                    AS share_of_expected_spend,
                min(score) AS lowest_score, min(expected_spend) AS lowest_expected_spend
            FROM read_parquet(?) GROUP BY ALL ORDER BY lowest_score DESC
            """,
            [str(folder / SCORES)],
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def with_age(score: StoredScore, now: float) -> bytes:
    """The score's JSON with its age; a clock over historical data may be earlier in the day than the score."""
    return b'%s,"age_seconds":%d}' % (score.body[:-1], max(0, now - score.known_until))


def many(about: Mapping[str, object], scores: Iterable[StoredScore], unknown: list[str], now: float) -> bytes:
    """The JSON of `Scores`."""
    parts = b",".join(with_age(score, now) for score in scores)
    return b'%s,"scores":[%s],"unknown":%s}' % (orjson.dumps(about)[:-1], parts, orjson.dumps(unknown))


def _listed(reasons: str | None) -> list[str]:
    return [reason for reason in (reasons or "").split("; ") if reason]
