"""The answers of the API as pydantic models."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models import predictions

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
    tier: predictions.Tier
    expected_spend: float = Field(description="in the horizon, in the shop's money")
    spend_low: float | None = Field(description="lower end of the 80 % interval of the user's spend")
    spend_high: float | None = Field(description="upper end")
    purchase_probability: float = Field(description="of any purchase in the horizon")
    reasons: list[str]
    basis: predictions.Basis = Field(description="attributes: of a user without orders")
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

    tier: predictions.Tier
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
