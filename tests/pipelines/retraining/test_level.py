from datetime import date

import pytest

from pipelines.errors import PurseError
from pipelines.retraining.level import backtest_level, forecast_level

SNAPSHOT = date(2020, 3, 1)


def test_holidays_change_nothing_where_there_is_no_last_year(shop):
    plain = forecast_level(shop, SNAPSHOT)
    assert forecast_level(shop.with_changes(country="TW"), SNAPSHOT) == plain
    assert backtest_level(shop.with_changes(country="TW"), SNAPSHOT).equals(backtest_level(shop, SNAPSHOT))


def test_a_country_without_known_holidays(shop):
    with pytest.raises(PurseError, match="No holidays are known for country 'XX'"):
        forecast_level(shop.with_changes(country="XX"), SNAPSHOT)
