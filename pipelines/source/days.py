"""Days of the shop: which day it is in the source's time zone, and which days are over."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from pipelines.settings import Settings
from pipelines.source.definition import load_source


def shop_day(settings: Settings, moment: datetime) -> date:
    """Day of a moment, which has a zone, in the shop's time zone.

    Raises:
        PurseError: the source file is missing or invalid.
    """
    return moment.astimezone(ZoneInfo(load_source(settings).timezone)).date()


def is_live(settings: Settings) -> bool:
    """Whether the shop lives now: its current day isn't over. A historical data set has only days that are over."""
    return settings.ingest.max_staleness_days is not None or settings.serving.clock == "wall"


def complete_until(settings: Settings, end: date, today: date) -> date:
    """Exclusive end of the days that are over: `end`, for a live shop at most the shop's current day."""
    return min(end, today) if is_live(settings) else end
