"""Look at the first lines of files: whether there are any, and which one has the names of the columns."""

import gzip
import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO

LOOKED_AT = 50
"""Lines that are looked at."""

DELIMITERS = ",;\t|"


def filled(names: Mapping[str, str]) -> dict[str, str]:
    """Leave out files without a byte; compressed ones too."""
    return {path: name for path, name in names.items() if not _is_empty(Path(path))}


def lines_above(file: str) -> int:
    """Count the lines above the names of the columns in a CSV file, such as a report's title; 0 if there are none.

    The names follow lines without any delimiter or quote, and have as many delimiters as most lines.
    """
    try:
        with _open(Path(file)) as opened:
            lines = [line.decode(errors="replace") for line in itertools.islice(opened, LOOKED_AT)]
    except (OSError, EOFError):
        return 0
    counts = {mark: Counter(line.count(mark) for line in lines if mark in line) for mark in DELIMITERS}
    mark = max(counts, key=lambda mark: counts[mark].total())
    if not counts[mark]:
        return 0
    ((usual, _),) = counts[mark].most_common(1)
    above = [*itertools.takewhile(lambda line: mark not in line and '"' not in line, lines)]
    return len(above) if lines[len(above)].count(mark) == usual else 0


def _is_empty(path: Path) -> bool:
    if path.stat().st_size == 0:
        return True
    if path.suffix.lower() != ".gz":
        return False
    try:
        with _open(path) as opened:
            return not opened.read(1)
    except (OSError, EOFError):
        return False  # DuckDB says what is wrong


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]
