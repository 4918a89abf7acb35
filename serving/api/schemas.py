"""Responses of the API as pydantic models."""

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
    "baseline": None,
    "snapshot_date": "2001-03-01",
    "horizon_days": 28,
    "scored_at": "2001-03-01T02:10:00Z",
    "live": False,
    "age_seconds": 41_400,
}


AGE = "seconds since the time up to which all rows are counted, in the shop's time"


class Dated(BaseModel):
    """Fields of every response: model version, snapshot and age."""

    model_version: str = Field(description="version of the registered model")
    baseline: str | None = Field(
        default=None,
        description="the baseline that scores until a model is shown to be better; null: a model scores",
    )
    snapshot_date: date = Field(description="exclusive end of the days that count")
    age_seconds: float = Field(description=AGE)


class Score(Dated):
    """A user's score and predictions."""

    model_config = ConfigDict(json_schema_extra={"example": ANN})

    user_id: str
    score: float = Field(description="percentile among the users with orders, 0 to 100")
    tier: predictions.Tier
    expected_spend: float = Field(description="expected spend in the horizon, in the shop's currency")
    spend_low: float | None = Field(description="lower end of the 80 % interval of the user's spend")
    spend_high: float | None = Field(description="upper end of the interval")
    purchase_probability: float = Field(description="probability of a purchase in the horizon")
    reasons: list[str]
    basis: predictions.Basis = Field(
        description="orders: scored from the user's orders; attributes: a user without orders"
    )
    horizon_days: int
    scored_at: datetime
    live: bool = Field(description="whether rows sent since the last batch count")


class Scores(Dated):
    """The scores of many users."""

    scores: list[Score] = Field(description="in the order of the request")
    unknown: list[str] = Field(description="ids without a score")


class Explanation(Score):
    """A score and the live rows that it counts."""

    happened_since: dict[str, int] = Field(description="number of the user's live rows by table")


class Tier(BaseModel):
    """A tier of the last batch."""

    tier: predictions.Tier
    users: int
    share_of_users: float
    share_of_expected_spend: float
    lowest_score: float = Field(description="lowest score in the tier")
    lowest_expected_spend: float = Field(description="lowest expected spend in the tier")


class Tiers(Dated):
    """The tiers of the last batch, highest first."""

    horizon_days: int
    tiers: list[Tier]


class Accepted(Dated):
    """Result of adding rows."""

    accepted: int = Field(description="new rows, stored durably")
    duplicates: int = Field(description="ignored rows, already stored with the same content")
    notes: list[str] = Field(description="rows that change no score: unknown event types or products, unread events")
