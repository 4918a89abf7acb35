"""The shop's time: the wall clock, or, with historical data, the day on which the data ends.

Times are in the `timezone` of the source and, like the times in the shop's rows, carry no zone.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipelines.settings import Settings
from pipelines.source.days import is_live
from pipelines.source.definition import load_source

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # in the shop's time zone


class Clock:
    """The shop's time.

    Attributes:
        historical: whether today is the day on which the active release's data ends (`serving.clock: data`).
    """

    def __init__(self, settings: Settings, data_ends: Callable[[], date | None]) -> None:
        """Create the clock of a shop.

        Args:
            settings: `serving.clock`, and the source, which names the shop's time zone.
            data_ends: returns the active release's snapshot date; None: no release is active, use the wall clock.

        Raises:
            PurseError: the source's file is invalid.
        """
        self.historical = settings.serving.clock == "data" or not is_live(settings)
        self._data_ends = data_ends
        self._zone = ZoneInfo(load_source(settings).timezone)

    def now(self) -> datetime:
        """The shop's current date and time, without a zone."""
        wall = self.local(datetime.now(UTC))
        ends = self._data_ends() if self.historical else None
        return wall if ends is None else datetime.combine(ends, wall.time())

    def today(self) -> date:
        """The shop's current day."""
        return self.now().date()

    def tomorrow(self) -> date:
        """The snapshot date that counts today's rows."""
        return self.today() + timedelta(days=1)

    def seconds(self) -> float:
        """The shop's current time as seconds since 1970."""
        return in_seconds(self.now())

    def local(self, moment: datetime) -> datetime:
        """Convert a moment with a zone to the shop's time, without a zone."""
        return moment.astimezone(self._zone).replace(tzinfo=None)


def wall() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def in_seconds(moment: datetime | date) -> float:
    """Convert a shop's time, or the start of a day, to seconds since 1970."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment - EPOCH).total_seconds()
