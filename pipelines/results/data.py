"""Results of the steps on data: ingest, validate, build_features."""

from datetime import date

from pydantic import Field

from pipelines.results.result import Result, Value


class StagedRows(Value):
    """Rows of a table, and days that have any."""

    rows: int
    days: int


class Ingested(Result):
    """Days that were staged, `to_date` exclusive; warnings name days that were kept and days that are missing."""

    step = "ingest"
    command = "ingest"
    from_date: date
    to_date: date
    tables: dict[str, StagedRows]
    warnings: list[str] = Field(default_factory=list)


class ValidatedRows(Value):
    """Rows of a table in the validated days; `reasons` counts rows by broken rule, `data_docs` is its report."""

    rows_in: int
    rows_kept: int
    rows_quarantined: int
    reasons: dict[str, int]
    days_written: int
    warnings: list[str] = Field(default_factory=list)
    data_docs: str = ""


class Validated(Result):
    """Days that were validated, `to_date` exclusive; `snapshot_date` follows the newest raw day that is over.

    `mark` changes with the rows of the raw tables.
    """

    step = "validate"
    command = "validate"
    from_date: date
    to_date: date
    snapshot_date: date
    mark: str = ""
    tables: dict[str, ValidatedRows]
    warnings: list[str]
    data_docs: str


class Built(Result):
    """Features of the snapshots; no report where the newest snapshot was up to date."""

    step = "build_features"
    command = "build-features --for training"
    snapshot_date: date
    snapshots: list[date]
    days_computed: dict[str, int]
    rows: int
    rows_without_orders: int
    features: list[str]
    left_out: list[str]
    data_docs: str | None = None
    warnings: list[str] = Field(default_factory=list)
