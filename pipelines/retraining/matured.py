"""Find scored snapshots whose horizon is over. Apart from the comparison, so that pages can import it without SciPy."""

from datetime import date, timedelta

from pipelines.lake import tables
from pipelines.lake.missing import missing
from pipelines.retraining.snapshots import is_covered, is_matured
from pipelines.settings import Settings

PROMISED = ("test_ngini", "test_ngini_low", "test_ngini_high", "test_bias", "test_decile_wape")
"""Test metrics of a model's run that realised measures are compared with."""


def newest_matured(settings: Settings, snapshot_date: date) -> date | None:
    """Newest scored snapshot whose horizon is over in the data before `snapshot_date`; None without one.

    A snapshot whose horizon has missing days is not measured: its users seem to have spent less than they did.
    """
    order_days = [day for day in tables.days(settings, "raw/order_lines") if day < snapshot_date]
    horizon_days, scored = settings.horizon_days, tables.days(settings, "predictions", "snapshot_date")
    latest = snapshot_date - timedelta(days=horizon_days)
    matured = [day for day in scored if day <= latest and order_days and is_matured(order_days[-1], day, horizon_days)]
    holes = missing(settings, "order_lines") if matured else []
    return next((day for day in reversed(matured) if is_covered(holes, day, horizon_days)), None)
