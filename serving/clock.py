"""What time it is in the shop: its wall clock, or, over historical data, the day on which the data ends.

The times in a shop's rows carry no zone, so neither do these: they are in the `timezone` of the source.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipelines.settings import Settings
from pipelines.source.definition import load_source

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # shop's own time


class Clock:
    """The shop's time.

    Attributes:
        historical: whether today is the day on which the data of the release in force ends (`serving.clock: data`).
    """

    def __init__(self, settings: Settings, data_ends: Callable[[], date | None]) -> None:
        """Tell the time of a shop.

        Args:
            settings: `serving.clock`, and the source, which names the shop's zone.
            data_ends: the snapshot date of the release in force; None: there is none, and the wall clock counts.

        Raises:
            PurseError: the source's file does not fit.
        """
        kind = settings.serving.clock or ("wall" if settings.ingest.max_staleness_days else "data")
        self.historical = kind == "data"
        self._data_ends = data_ends
        self._zone = ZoneInfo(load_source(settings).timezone)

    def now(self) -> datetime:
        """The shop's date and time, without a zone."""
        wall = self.local(datetime.now(UTC))
        ends = self._data_ends() if self.historical else None
        return wall if ends is None else datetime.combine(ends, wall.time())

    def today(self) -> date:
        """The shop's day."""
        return self.now().date()

    def tomorrow(self) -> date:
        """The snapshot date that lets what happened today count."""
        return self.today() + timedelta(days=1)

    def seconds(self) -> float:
        """The shop's time as seconds since 1970."""
        return in_seconds(self.now())

    def local(self, moment: datetime) -> datetime:
        """A moment with a zone as the shop's own time, without one."""
        return moment.astimezone(self._zone).replace(tzinfo=None)


def wall() -> datetime:
    """The moment, in UTC; what an answer says about when it was computed."""
    return datetime.now(UTC)


def in_seconds(moment: datetime | date) -> float:
    """A shop's time, or the first moment of its day, as seconds since 1970."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment - EPOCH).total_seconds()
