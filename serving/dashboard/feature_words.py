"""Features, checks and measures in a reader's words and language; their names stay beside them for engineers."""

import re

from features.definitions import BY_NAME
from features.schema import MISSING
from models.catalog import FAMILIES
from serving.dashboard.language import gettext, later

CHECKED = {
    "predictions.expected_spend": later("Expected spend"),
    "predictions.purchase_probability": later("Chance to buy"),
    "predictions.score": later("Score"),
    "predictions.tier": later("Tier"),
    "days.orders": later("Buyers on the newest day"),
    "days.events": later("Visitors on the newest day"),
    "days.spend": later("Spend per buyer on the newest day"),
    "days.lines": later("Order lines per buyer on the newest day"),
    "days.spend_per_unit": later("Price per item on the newest day"),
    "days.discount_rate": later("Discounts on the newest day"),
    "days.price_level": later("Price level on the newest day"),
    "days.price_change": later("Prices of the same products on the newest day"),
    "days.views": later("Product views per visitor on the newest day"),
    "days.searches": later("Searches per visitor on the newest day"),
    "days.carts": later("Items put into the cart per visitor on the newest day"),
    "days.dwell_per_view": later("Seconds per product view on the newest day"),
    "days.units_by_category": later("Items bought by category on the newest day"),
    "days.views_by_category": later("Product views by category on the newest day"),
}
"""What a drift check is about; the checks of features are called like these."""

MEASURES = {
    "psi": later("mix of values (PSI)"),
    "distance": later("size of values"),
    "missing": later("missing values"),
    "fall": later("fewer users"),
    "ngini_loss": later("Order of users (nGini)"),
    "ngini": later("Order of users (nGini)"),
    "bias": later("Total, expected against spent"),
    "decile_wape": later("Spend by tenth of the users, error"),
    "auc": later("Buyers recognised (AUC)"),
    "high_recall": later("Best buyers found in the tier high"),
}
"""Measures of models and kinds of drift checks."""

UNITS = {"nats": later("variety; 0 is a single category")}
"""Units that only an engineer reads."""


def phrase(name: str) -> tuple[str, dict[str, int]]:
    """English text of a feature, without what follows a colon or semicolon, and the window that its %(days)s means.

    >>> phrase("spend_28d")
    ('Net spend in the last %(days)s days', {'days': 28})
    """
    feature = BY_NAME[name]
    text = re.split(r"[:;]| \(last", feature.description)[0].rstrip(".")
    days = feature.window_days or feature.half_life_days
    if not days or not re.search(rf"\b{days}\b", text):
        return text, {}
    return re.sub(rf"\b{days}\b", "%(days)s", text), {"days": days}


def brief(name: str) -> str:
    """Short text of a feature in the current language; a name that is no feature's stays as it is.

    >>> brief("spend_28d")
    'Net spend in the last 28 days'
    """
    if name not in BY_NAME:
        return name
    text, values = phrase(name)
    return gettext(text) % values if values else gettext(text)


def checked(name: str) -> str:
    """What a drift check such as "features.spend_28d" or "days.orders" is about."""
    return gettext(CHECKED[name]) if name in CHECKED else brief(name.removeprefix("features."))


def measure(kind: str) -> str:
    """Name of a measure or of a kind of drift check."""
    return gettext(MEASURES.get(kind, kind.replace("_", " ")))


def unit(text: str) -> str:
    """Unit of a feature."""
    return gettext(UNITS.get(text, text))


def group(name: str) -> str:
    """Group of users, such as "region=north" or "tenure=longest"."""
    column, _equals, value = name.partition("=")
    shown = gettext(value) if column == "tenure" or value == MISSING else value
    return f"{gettext(column.replace('_', ' '))}: {shown}" if value else gettext(column)


def recipe(family: str) -> list[str]:
    """What a version is a blend of, from "bagging + cnn_lstm"."""
    names = [name for name in family.split(" + ") if name]
    return [gettext(FAMILIES[name].title if name in FAMILIES else name.replace("_", " ")) for name in names]
