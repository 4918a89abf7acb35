"""Limits of requests per name."""

import time
from collections import OrderedDict
from collections.abc import Callable

from limits import RateLimitItem, parse

from pipelines.errors import PurseError

MOST_NAMES = 10_000


class Rate:
    """Limits the requests of each name by the generic cell rate algorithm: one number per name, however many requests.

    `limits`, which parses the setting, would keep a list per name in memory, without an upper bound of names.
    """

    def __init__(
        self, setting: str, text: str, most_names: int = MOST_NAMES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Create a rate without requests.

        Args:
            setting: name in the section `serving`, for messages.
            text: value of the setting, such as 60/minute.
            most_names: names to remember; the one seen longest ago is forgotten.
            clock: seconds that only grow.

        Raises:
            PurseError: the text is not a rate.
        """
        self.limit = _parsed(setting, text)
        self._window = float(self.limit.get_expiry())
        self._step = self._window / self.limit.amount
        self._most, self._clock = most_names, clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def hit(self, name: str) -> bool:
        """Count a request; False: it is one too many, and isn't counted."""
        now = self._clock()
        due = max(self._due.pop(name, now), now)
        allowed = due - now < self._window - self._step / 2
        self._due[name] = due + self._step if allowed else due
        if len(self._due) > self._most:
            self._due.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._due)

    def __str__(self) -> str:
        return str(self.limit)


def _parsed(setting: str, text: str) -> RateLimitItem:
    try:
        return parse(text)
    except ValueError as error:
        raise PurseError(
            f"serving.{setting} is '{text}'; expected a number and a time, such as 2000/second or 10000/hour."
        ) from error
