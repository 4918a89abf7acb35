"""Tables of the source that features and channels read; imports the query engine, which logged models do without."""

from collections.abc import Iterable

from features.definitions import FEATURES
from features.sequences import SEQUENCES


def tables_read(names: Iterable[str]) -> tuple[str, ...]:
    """Tables of the source from which features and channels of these names are computed.

    >>> tables_read(["region", "views_7d"])
    ('events', 'users')
    """
    chosen = set(names)
    needs = [feature.needs for feature in FEATURES if feature.name in chosen]
    needs += [channel.needs for channel in SEQUENCES if channel.name in chosen]
    return tuple(sorted({need.split(".")[0] for each in needs for need in each}))
