"""The canary: whether a release says of known users what evaluation said of them, and how fast."""

from dataclasses import dataclass

TOLERANCE = 1e-6
"""By how much a prediction may differ, in money relative to it where that is above 1."""


@dataclass(frozen=True)
class Canary:
    """What came of it.

    Attributes:
        users: how many were scored; 0: the champion is from before there was a canary set.
        difference: the largest, see `TOLERANCE`.
        milliseconds: per user, scored one at a time.
    """

    users: int
    difference: float
    milliseconds: float

    def passed(self, budget: float) -> bool:
        """Whether the release may go into force; `budget` is `serving.canary_milliseconds`."""
        return self.reason(budget) is None

    def reason(self, budget: float) -> str | None:
        """Why it may not; None: it may."""
        raise NotImplementedError

    def warning(self) -> str | None:
        """What to tell though it passed; None: nothing."""
        raise NotImplementedError
