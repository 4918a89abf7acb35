"""Every feature, in the order of the columns everywhere: lake, model signature, request schema, documentation."""

from collections.abc import Iterable, Mapping

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

BY_NAME: Mapping[str, Feature] = {feature.name: feature for feature in FEATURES}


def available(columns: set[str]) -> tuple[Feature, ...]:
    """Features whose needs are all among `columns`.

    >>> [feature.name for feature in available({"users.registered_at", "users.region"})]
    ['region', 'tenure']

    Args:
        columns: source columns with their table, such as "order_lines.amount".
    """
    return tuple(feature for feature in FEATURES if columns.issuperset(feature.needs))


def of_attributes(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Features that a user without orders has too: they read the profile or events, and no orders.

    >>> [feature.name for feature in of_attributes([BY_NAME["region"], BY_NAME["views_7d"], BY_NAME["spend_7d"]])]
    ['region', 'views_7d']
    """
    return tuple(one for one in features if _needs(one, "users", "events") and not _needs(one, "order_lines"))


def _needs(feature: Feature, *tables: str) -> bool:
    return any(need.split(".")[0] in tables for need in feature.needs)
