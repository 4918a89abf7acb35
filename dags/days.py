"""Days of the shop in the DAGs: schedules and the day of a run are in the time zone of the source.

The setting `source` names the source and so the time zone. Airflow's `ds` is a day in UTC, which for some hours of a
day is another day than the shop's.
"""

from datetime import datetime, timedelta

from airflow.sdk import CronTriggerTimetable

from pipelines.settings import load_settings
from pipelines.source.days import shop_day
from pipelines.source.definition import load_source


def at_shop_time(cron: str) -> CronTriggerTimetable:
    """Timetable of a cron expression in the shop's time zone; a time that a change of clocks skips runs just after."""
    return CronTriggerTimetable(cron, timezone=load_source(load_settings()).timezone)


def day_of_run(moment: datetime, days_before: int = 0) -> str:
    """Shop's day of a run's logical date, or a day before it, as an ISO date; the days before it are over."""
    return (shop_day(load_settings(), moment) - timedelta(days=days_before)).isoformat()
