"""How long a step waits for its imports: heavy libraries are imported late, so they are not all at the start."""

import builtins
import time
from typing import Any, Self


class ImportClock:
    """Adds up the seconds of import statements while it is entered; an import within an import counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._import = builtins.__import__
        self._within = False

    def __enter__(self) -> Self:
        builtins.__import__ = self._timed
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._import

    def _timed(self, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401 - the signature of __import__
        if self._within:
            return self._import(*arguments, **keywords)
        self._within, began = True, time.perf_counter()
        try:
            return self._import(*arguments, **keywords)
        finally:
            self._within = False
            self.seconds += time.perf_counter() - began
