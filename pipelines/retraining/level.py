"""Forecast the level of spend from the lake: the total that all known users will spend in the horizon."""

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
        PurseError: `build_features` has not written the daily tables, or the country's holidays are unknown.
    """
    spend = _spend(settings, snapshot_date)
    return forecast(spend, settings.horizon_days, _holidays(settings, snapshot_date))


def backtest_level(settings: Settings, snapshot_date: date) -> pd.DataFrame:
    """Compare forecasts at earlier snapshots with the actual totals; see `models.level.backtest`.

    The horizon is at most a third of the history.
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
    """Public holidays by day, from three years before the snapshot's year to one year after it."""
    if settings.country is None:
        return {}
    years = range(snapshot_date.year - 3, snapshot_date.year + 2)
    try:
        return dict(holidays.country_holidays(settings.country, years=years))
    except NotImplementedError as error:
        raise PurseError(
            f"No holidays are known for country '{settings.country}'. Set country to an ISO 3166 code such as TW or "
            "DE, or to null."
        ) from error
