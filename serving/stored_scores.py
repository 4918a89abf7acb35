"""Stored scores: JSON rendered when a score is computed, before it is requested.

The bytes of a score hold every field of `schemas.Score` except `age_seconds`, which is appended to each response.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import orjson

from serving.clock import in_seconds
from serving.release.release import SCORES, Release
from serving.stores.protocol import StoredScore

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 5_000


def live_scores(
    frame: "pd.DataFrame", release: Release, snapshot_date: date, known_until: float, scored_at: datetime
) -> dict[str, StoredScore]:
    """Convert the engine's predictions to scores for the store, by user_id."""
    about = {
        "model_version": release.model_version,
        "baseline": release.baseline,
        "snapshot_date": snapshot_date,
        "horizon_days": release.horizon_days,
        "scored_at": scored_at.astimezone(UTC).replace(microsecond=0),
        "live": True,
    }
    return {
        row["user_id"]: StoredScore(
            known_until,
            orjson.dumps(
                {**row, "reasons": _reason_list(row["reasons"]), **about},
                option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z,
            ),
        )
        for row in frame.to_dict("records")
    }


def release_scores(folder: Path, release: Release) -> Iterator[list[tuple[str, StoredScore]]]:
    """Yield the scores of a release in chunks for the store; DuckDB renders the JSON without holding Python's lock."""
    known_until = in_seconds(release.snapshot_date)
    with duckdb.connect() as connection:
        connection.execute(
            """
            SELECT user_id, encode(to_json({
                user_id: user_id, score: score, tier: tier::VARCHAR, expected_spend: expected_spend,
                spend_low: spend_low, spend_high: spend_high, purchase_probability: purchase_probability,
                reasons: list_filter(string_split(reasons, '; '), lambda reason: reason <> ''), basis: basis,
                model_version: $version, baseline: $baseline::VARCHAR,
                snapshot_date: $snapshot_date::DATE, horizon_days: $horizon_days,
                scored_at: strftime($created_at::TIMESTAMP, '%Y-%m-%dT%H:%M:%SZ'), live: false
            })::VARCHAR) FROM read_parquet($file)
            """,
            {
                "version": release.model_version,
                "baseline": release.baseline,
                "snapshot_date": release.snapshot_date,
                "horizon_days": release.horizon_days,
                "created_at": release.created_at.astimezone(UTC).replace(tzinfo=None),
                "file": str(folder / SCORES),
            },
        )
        while rows := connection.fetchmany(CHUNK):
            yield [(user_id, StoredScore(known_until, body)) for user_id, body in rows]


def release_tiers(folder: Path) -> list[dict[str, Any]]:
    """Summarise the tiers of a release's scores, see `schemas.Tier`."""
    with duckdb.connect() as connection:
        result = connection.execute(
            """
            SELECT tier::VARCHAR AS tier, count(*) AS users, count(*) / sum(count(*)) OVER () AS share_of_users,
                coalesce(sum(expected_spend) / nullif(sum(sum(expected_spend)) OVER (), 0), 0)
                    AS share_of_expected_spend,
                min(score) AS lowest_score, min(expected_spend) AS lowest_expected_spend
            FROM read_parquet(?) GROUP BY ALL ORDER BY lowest_score DESC
            """,
            [str(folder / SCORES)],
        )
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def with_age(score: StoredScore, now: float) -> bytes:
    """Append the age to a score's JSON; at least 0, as a clock over historical data may be behind the score."""
    return b'%s,"age_seconds":%d}' % (score.body[:-1], max(0, now - score.known_until))


def scores_json(about: Mapping[str, object], scores: Iterable[StoredScore], unknown: list[str], now: float) -> bytes:
    """Render `schemas.Scores` as JSON."""
    parts = b",".join(with_age(score, now) for score in scores)
    return b'%s,"scores":[%s],"unknown":%s}' % (orjson.dumps(about)[:-1], parts, orjson.dumps(unknown))


def _reason_list(reasons: str | None) -> list[str]:
    return [reason for reason in (reasons or "").split("; ") if reason]
