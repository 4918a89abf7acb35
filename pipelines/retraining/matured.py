"""Find scored snapshots whose horizon is over. Apart from the comparison, so that pages can import it without SciPy."""

from datetime import date, timedelta

from pipelines.lake import tables
from pipelines.retraining.snapshots import is_matured
from pipelines.settings import Settings

PROMISED = ("test_ngini", "test_ngini_low", "test_ngini_high", "test_bias", "test_decile_wape")
"""Test metrics of a model's run that realised measures are compared with."""


def newest_matured(settings: Settings, snapshot_date: date) -> date | None:
    """Newest scored snapshot whose horizon is over in the data before `snapshot_date`; None without one."""
    order_days = [day for day in tables.days(settings, "raw/order_lines") if day < snapshot_date]
    horizon_days, scored = settings.horizon_days, tables.days(settings, "predictions", "snapshot_date")
    latest = snapshot_date - timedelta(days=horizon_days)
    matured = [day for day in scored if day <= latest and order_days and is_matured(order_days[-1], day, horizon_days)]
    return matured[-1] if matured else None
