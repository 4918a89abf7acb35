"""Units of features, each with the range that its values can take."""

from enum import Enum


class Range(Enum):
    """Range of a unit's values."""

    ANY = "any"
    NOT_NEGATIVE = "not negative"
    SHARE = "0 to 1"


class Unit(Enum):
    """Unit of a feature: its text for readers and the range of its values.

    Money can be negative: returns may outweigh purchases. A share of spend can leave 0 to 1: a return in the window
    may belong to a purchase before it.

    >>> Unit.SHARE_OF_VIEWS.text, Unit.SHARE_OF_VIEWS.range.value
    ('share of views', '0 to 1')
    """

    CATEGORY = "category", Range.ANY
    MONEY = "money", Range.ANY
    MONEY_PER_DAY = "money per day", Range.ANY
    MONEY_PER_PURCHASE_DAY = "money per purchase day", Range.ANY
    MONEY_PER_UNIT = "money per unit", Range.ANY
    UNITS = "units", Range.ANY
    SHARE_OF_SPEND = "share of spend", Range.ANY
    STANDARD_DEVIATIONS = "standard deviations", Range.ANY
    LINES = "order lines", Range.NOT_NEGATIVE
    LINES_PER_PURCHASE_DAY = "order lines per purchase day", Range.NOT_NEGATIVE
    DAYS = "days", Range.NOT_NEGATIVE
    PURCHASE_DAYS = "purchase days", Range.NOT_NEGATIVE
    VISIT_DAYS = "visit days", Range.NOT_NEGATIVE
    MEAN_GAPS = "mean gaps", Range.NOT_NEGATIVE
    CATEGORIES = "categories", Range.NOT_NEGATIVE
    NATS = "nats", Range.NOT_NEGATIVE
    EVENTS = "events", Range.NOT_NEGATIVE
    EVENTS_PER_VIEW = "events per view", Range.NOT_NEGATIVE
    EVENTS_PER_VISIT_DAY = "events per visit day", Range.NOT_NEGATIVE
    SECONDS = "seconds", Range.NOT_NEGATIVE
    SESSIONS = "sessions", Range.NOT_NEGATIVE
    ORDERS_PER_SESSION = "orders per session", Range.NOT_NEGATIVE
    ORDERS_PER_CART_EVENT = "orders per cart event", Range.NOT_NEGATIVE
    SHARE_OF_PURCHASE_DAYS = "share of purchase days", Range.SHARE
    SHARE_OF_VIEWS = "share of views", Range.SHARE

    def __init__(self, text: str, values: Range) -> None:
        self.text = text
        self.range = values
