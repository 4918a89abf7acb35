"""Every feature, in the order of the columns everywhere: lake, model signature, request schema, documentation."""

from collections.abc import Iterable

from features.families.assortment import BREADTH, PRICE_LEVEL
from features.families.behaviour import BEHAVIOUR
from features.families.habits import CALENDAR, RHYTHM, TREND
from features.families.profile import PROFILE
from features.families.rfm import RFM
from features.families.windows import WINDOWS
from features.feature import Feature

FEATURES: tuple[Feature, ...] = (
    *RFM,
    *WINDOWS,
    *RHYTHM,
    *TREND,
    *PRICE_LEVEL,
    *BREADTH,
    *CALENDAR,
    *BEHAVIOUR,
    *PROFILE,
)


def available(columns: set[str]) -> tuple[Feature, ...]:
    """The features whose needs, such as "order_lines.amount", are all among `columns`."""
    return tuple(feature for feature in FEATURES if columns.issuperset(feature.needs))


def of_attributes(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Those that a user without orders has too: computed from profile or behaviour, and from no orders."""
    return tuple(one for one in features if _needs(one, "users", "events") and not _needs(one, "order_lines"))


def _needs(feature: Feature, *tables: str) -> bool:
    return any(need.split(".")[0] in tables for need in feature.needs)
