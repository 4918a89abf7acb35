"""Which scored snapshots can be held against what came; apart from the comparison, for pages to ask without SciPy."""

from datetime import date, timedelta

from pipelines.lake import tables
from pipelines.retraining.snapshots import is_matured
from pipelines.settings import Settings

PROMISED = ("test_ngini", "test_ngini_low", "test_ngini_high", "test_bias", "test_decile_wape")


def newest_matured(settings: Settings, snapshot_date: date) -> date | None:
    """The newest scored snapshot whose horizon is over in the data before `snapshot_date`; None if there is none."""
    known = [day for day in tables.days(settings, "raw/order_lines") if day < snapshot_date]
    horizon_days, scored = settings.horizon_days, tables.days(settings, "predictions", "snapshot_date")
    latest = snapshot_date - timedelta(days=horizon_days)
    over = [day for day in scored if day <= latest and known and is_matured(known[-1], day, horizon_days)]
    return over[-1] if over else None
