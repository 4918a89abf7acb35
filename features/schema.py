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
    """A canonical table; `time` is the column whose day partitions it."""

    name: str
    key: tuple[str, ...]
    time: str
    columns: tuple[Column, ...]

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that every source must give."""
        return tuple(c.name for c in self.columns if c.required)


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

TABLES = {table.name: table for table in (ORDER_LINES, USERS, PRODUCTS)}
