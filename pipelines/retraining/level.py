"""The level of spend at a snapshot, from the lake: what all known users together will spend in the horizon."""

from datetime import date

import holidays
import pandas as pd

from features.cohorts import cohort_spend
from features.daily.tables import USER_DAY
from models.level.cohort_spend import CohortSpend
from models.level.forecast import Level, backtest, forecast
from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import Settings


def forecast_level(settings: Settings, snapshot_date: date) -> Level:
    """Forecast the total from the days before `snapshot_date`.

    Raises:
        PurseError: `build_features` has not written the daily tables, or nothing is known of the country's holidays.
    """
    spend = _spend(settings, snapshot_date)
    return forecast(spend, settings.horizon_days, _holidays(settings, snapshot_date))


def backtest_level(settings: Settings, snapshot_date: date) -> pd.DataFrame:
    """What would have been forecast at earlier snapshots, and what came; see `models.level.backtest`.

    The horizon is cut to a third of the history where that is short.
    """
    spend = _spend(settings, snapshot_date)
    days = min(settings.horizon_days, max(spend.days // 3, 1))
    return backtest(spend, days, _holidays(settings, snapshot_date))


def _spend(settings: Settings, snapshot_date: date) -> CohortSpend:
    connection = tables.connect()
    user_day = tables.read(connection, settings, USER_DAY.name)
    rows = cohort_spend(user_day, snapshot_date).to_pandas()
    first_day = tables.days(settings, "raw/order_lines")[0]
    return CohortSpend.of(rows, first_day, snapshot_date)


def _holidays(settings: Settings, snapshot_date: date) -> dict[date, str]:
    """Names of the public holidays by day, of three years before the snapshot to the one after it."""
    if settings.country is None:
        return {}
    years = range(snapshot_date.year - 3, snapshot_date.year + 2)
    try:
        return dict(holidays.country_holidays(settings.country, years=years))
    except NotImplementedError as error:
        raise PurseError(
            f"The setting country is '{settings.country}', of which no holidays are known. Give a code of ISO 3166, "
            "such as TW or DE, or null."
        ) from error
