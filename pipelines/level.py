"""The level of spend at a snapshot, from the lake: what all known users together will spend in the horizon."""

from datetime import date

import pandas as pd

from features.cohorts import cohort_spend
from models import level
from models.cohort_spend import CohortSpend
from pipelines import lake
from pipelines.settings import Settings


def forecast_level(settings: Settings, snapshot_date: date) -> level.Level:
    """Forecast the total from the days before `snapshot_date`.

    Raises:
        PurseError: `build_features` has not written the daily tables.
    """
    return level.forecast(_spend(settings, snapshot_date), settings.horizon_days)


def backtest_level(settings: Settings, snapshot_date: date) -> pd.DataFrame:
    """What would have been forecast at earlier snapshots, and what came; see `models.level.backtest`.

    The horizon is cut to a third of the history where that is short.
    """
    spend = _spend(settings, snapshot_date)
    return level.backtest(spend, min(settings.horizon_days, max(spend.days // 3, 1)))


def _spend(settings: Settings, snapshot_date: date) -> CohortSpend:
    connection = lake.connect()
    user_day = lake.read(connection, settings, "user_day")
    rows = cohort_spend(user_day, snapshot_date).to_pandas()
    first_day = lake.days(settings, "raw/order_lines")[0]
    return CohortSpend.of(rows, first_day, snapshot_date)
