"""Sections of the settings; conf/purse.yaml explains each key."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.predictions import HIGH, MID

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ingest(Section):
    max_quarantined_share: Share
    max_quarantined_money: Share
    max_staleness_days: Count | None
    lookback_days: int = Field(ge=0)
    max_lost_share: Share
    min_usual_share: Share
    max_user_share: Share
    closed_days: tuple[date, ...]


class Spark(Section):
    master: str
    driver_memory: str
    options: dict[str, str]


class Snapshots(Section):
    step_days: Count
    max_training: Count
    validation: Count
    min_history_days: Count
    user_folds: Count


class Preprocessing(Section):
    missing: dict[str, Literal["keep", "median", "mean", "category", "drop"]]
    outliers: dict[str, Literal["fences", "zscore", "quantiles"]]
    winsorise: tuple[str, ...]


class Sweep(Section):
    families: tuple[str, ...] = Field(min_length=1)
    trials: Count
    seconds: Count
    workers: Count
    max_abs_bias: float
    seed: int


class Training(Section):
    finalists: Count
    threads: Count
    seed: int
    backend: Literal["tensorflow", "jax"]
    network_variant: Literal["float32", "int8", "pruned"]
    network_sparsity: Share


class Mlflow(Section):
    tracking_uri: str | None
    artifact_root: str | None
    public_url: str | None
    experiment: str
    model_name: str


class Promotion(Section):
    min_ngini: float
    max_abs_bias: float
    max_first_bias: float = Field(gt=0)
    confidence: Share
    max_slice_loss: float
    min_slice_users: Count
    bootstrap_samples: Count
    approval: bool
    replace_unusable: bool


class Scoring(Section):
    high_share: Share
    mid_share: Share
    reasons: Count
    max_total_change: Annotated[float, Field(gt=1)] | None

    @property
    def tier_shares(self) -> dict[str, float]:
        """Shares of users in the tiers above the lowest."""
        return {HIGH: self.high_share, MID: self.mid_share}


class Monitor(Section):
    reference_days: Count
    spreads: float = Field(gt=0)
    days: Count
    of_days: Count
    pause_days: Count
    max_ngini_loss: float
    max_level_error: float


class Airflow(Section):
    ingest_schedule: str
    retrain_schedule: str
    doctor_schedule: str
    queue: str
    gpu_queue: str
    retries: int
    public_url: str | None


class Dashboard(Section):
    public_url: str | None
    framed_by: tuple[str, ...]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None


class Services(Section):
    host: str
    airflow_port: int
    mlflow_port: int


class Serving(Section):
    port: int
    url: str | None
    store: str | None
    clock: Literal["wall", "data"] | None
    max_future_seconds: float = Field(ge=0)
    max_body_kilobytes: Count
    max_ids: Count
    max_rows: Count
    keys: Literal["auto", "always"]
    trusted_proxies: tuple[str, ...]
    rate_limit: str
    refused_limit: str
    max_requests: Count
    read_seconds: float = Field(gt=0)
    max_connections: Count
    max_connections_per_address: Count
    headers_seconds: float = Field(gt=0)
    body_seconds: float = Field(gt=0)
    batch_users: Count
    canary_milliseconds: float = Field(gt=0)
