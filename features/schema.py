"""The canonical tables: what every source is mapped to and everything downstream reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A canonical column; `type` is a DuckDB type."""

    name: str
    type: str
    description: str
    required: bool = True


@dataclass(frozen=True)
class Table:
    """A canonical table; `time` is the column whose day partitions it.

    Rows of a log happen at a time; rows of the other tables are versions, which hold from one on.
    """

    name: str
    key: tuple[str, ...]
    time: str
    columns: tuple[Column, ...]

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that every source must give; a version without a time holds always."""
        return tuple(c.name for c in self.columns if c.required and (self.is_log or c.name != self.time))

    @property
    def is_log(self) -> bool:
        """Whether rows are things that happened, and not versions of something."""
        return self.time != "valid_from"


ORDER_LINES = Table(
    name="order_lines",
    key=("order_id", "product_id", "line"),
    time="ordered_at",
    columns=(
        Column("order_id", "VARCHAR", "order that the line belongs to"),
        Column("product_id", "VARCHAR", "product that was bought or returned"),
        Column("line", "BIGINT", "number of the line, unique within the order and product"),
        Column("user_id", "VARCHAR", "who bought"),
        Column("ordered_at", "TIMESTAMP", "when"),
        Column("quantity", "DOUBLE", "units; negative for a return"),
        Column("unit_price", "DOUBLE", "price of one unit"),
        Column("amount", "DOUBLE", "net value of the line, signed: negative for a return"),
        Column("discount", "DOUBLE", "reduction against the list price, in money", required=False),
        Column("unit_cost", "DOUBLE", "what one unit cost the shop", required=False),
    ),
)

USERS = Table(
    name="users",
    key=("user_id", "valid_from"),
    time="valid_from",
    columns=(
        Column("user_id", "VARCHAR", "who"),
        Column("valid_from", "TIMESTAMP", "from when this version of the user holds"),
        Column("age_band", "VARCHAR", "age group", required=False),
        Column("gender", "VARCHAR", "gender", required=False),
        Column("occupation", "VARCHAR", "occupation", required=False),
        Column("region", "VARCHAR", "where the user lives", required=False),
        Column("registered_at", "TIMESTAMP", "when the user signed up", required=False),
    ),
)

PRODUCTS = Table(
    name="products",
    key=("product_id", "valid_from"),
    time="valid_from",
    columns=(
        Column("product_id", "VARCHAR", "which product"),
        Column("valid_from", "TIMESTAMP", "from when this version of the product holds"),
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
        Column("event_id", "VARCHAR", "what happened, once"),
        Column("user_id", "VARCHAR", "who did it; leave out visitors who are not known"),
        Column("occurred_at", "TIMESTAMP", "when"),
        Column("event_type", "VARCHAR", "what was done, see EVENT_TYPES"),
        Column("product_id", "VARCHAR", "product that was viewed, put into the cart, ...", required=False),
        Column("session_id", "VARCHAR", "session that the event belongs to", required=False),
        Column("dwell_seconds", "DOUBLE", "how long the user stayed", required=False),
        Column("query", "VARCHAR", "what was searched for", required=False),
        Column("channel", "VARCHAR", "where the session came from", required=False),
    ),
)

EVENT_TYPES = ("view", "click", "search", "cart", "favourite")
"""The types that features read. Other types are kept and count as a visit."""

TABLES = {table.name: table for table in (ORDER_LINES, USERS, PRODUCTS, EVENTS)}
