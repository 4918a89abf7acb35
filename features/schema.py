"""Canonical tables: every source is mapped to them, and everything downstream reads them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """Column of a canonical table.

    Attributes:
        name: the column's name.
        type: its DuckDB type.
        description: what it holds, for guides and error messages.
        required: whether every source must give it.
    """

    name: str
    type: str
    description: str
    required: bool = True


@dataclass(frozen=True)
class Table:
    """A canonical table: a log of what happened, or versions of users or products.

    >>> ORDER_LINES.is_log, USERS.is_log
    (True, False)
    >>> PRODUCTS.required
    ('product_id',)

    Attributes:
        name: the table's name.
        key: columns that identify a row.
        time: column whose day partitions the table: when a row of a log happened, or from when a version holds.
        columns: all columns, in order.
    """

    name: str
    key: tuple[str, ...]
    time: str
    columns: tuple[Column, ...]

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that every source must give; a version may leave out its time and then always holds."""
        return tuple(c.name for c in self.columns if c.required and (self.is_log or c.name != self.time))

    @property
    def is_log(self) -> bool:
        """Whether rows are events at a time, not versions of a user or product."""
        return self.time != "valid_from"


VIEW, CLICK, SEARCH, CART, FAVOURITE = EVENT_TYPES = ("view", "click", "search", "cart", "favourite")
"""Event types that features read. Other types are stored and count as a visit."""

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Years that a row's time may be in: in any time zone it can be converted, compared and stored."""

MISSING = "missing"
"""Category of a user, product or event whose attribute is unknown."""

ORDER_LINES = Table(
    name="order_lines",
    key=("order_id", "product_id", "line"),
    time="ordered_at",
    columns=(
        Column("order_id", "VARCHAR", "order that the line belongs to"),
        Column("product_id", "VARCHAR", "product that was bought or returned"),
        Column("line", "BIGINT", "number of the line, unique within the order and product"),
        Column("user_id", "VARCHAR", "user who bought"),
        Column("ordered_at", "TIMESTAMP", "time of the order"),
        Column("quantity", "DOUBLE", "units; negative for a return"),
        Column("unit_price", "DOUBLE", "price of one unit"),
        Column("amount", "DOUBLE", "net value of the line, signed: negative for a return"),
        Column("discount", "DOUBLE", "reduction against the list price, in money", required=False),
        Column("unit_cost", "DOUBLE", "cost of one unit to the shop", required=False),
    ),
)

USERS = Table(
    name="users",
    key=("user_id", "valid_from"),
    time="valid_from",
    columns=(
        Column("user_id", "VARCHAR", "the user"),
        Column("valid_from", "TIMESTAMP", "time from which this version of the user holds"),
        Column("age_band", "VARCHAR", "age group", required=False),
        Column("gender", "VARCHAR", "gender", required=False),
        Column("occupation", "VARCHAR", "occupation", required=False),
        Column("region", "VARCHAR", "where the user lives", required=False),
        Column("registered_at", "TIMESTAMP", "time when the user signed up", required=False),
    ),
)

PRODUCTS = Table(
    name="products",
    key=("product_id", "valid_from"),
    time="valid_from",
    columns=(
        Column("product_id", "VARCHAR", "the product"),
        Column("valid_from", "TIMESTAMP", "time from which this version of the product holds"),
        Column("category", "VARCHAR", "category", required=False),
        Column("brand", "VARCHAR", "brand", required=False),
        Column("list_price", "DOUBLE", "price before discounts", required=False),
    ),
)

EVENTS = Table(
    name="events",
    key=("event_id",),
    time="occurred_at",
    columns=(
        Column("event_id", "VARCHAR", "the event"),
        Column("user_id", "VARCHAR", "user who acted; leave out unknown visitors"),
        Column("occurred_at", "TIMESTAMP", "time of the event"),
        Column(
            "event_type", "VARCHAR", f"what the user did: {', '.join(EVENT_TYPES)}, or a type that no feature reads"
        ),
        Column("product_id", "VARCHAR", "product that was viewed, put into the cart, ...", required=False),
        Column("session_id", "VARCHAR", "session that the event belongs to", required=False),
        Column("dwell_seconds", "DOUBLE", "how long the user stayed", required=False),
        Column("query", "VARCHAR", "text that the user searched for", required=False),
        Column("channel", "VARCHAR", "where the session came from", required=False),
    ),
)

TABLES = {table.name: table for table in (ORDER_LINES, USERS, PRODUCTS, EVENTS)}
"""Canonical tables by name."""
