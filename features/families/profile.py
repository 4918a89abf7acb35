"""Features of the user's profile as known before the snapshot; an unknown attribute is the category `MISSING`."""

from features.feature import Feature
from features.schema import MISSING
from features.units import Unit


def _attribute(name: str, words: str) -> Feature:
    return Feature(
        measure=name,
        unit=Unit.CATEGORY,
        description=f"The user's {words}.",
        phrase=f"{words}: {{value}}",
        kind="category",
        default=MISSING,
        needs=(f"users.{name}",),
        table="users",
        expression=lambda user: user[name],
    )


PROFILE = (
    _attribute("age_band", "age group"),
    _attribute("gender", "gender"),
    _attribute("occupation", "occupation"),
    _attribute("region", "area"),
    Feature(
        measure="tenure",
        moves_by_calendar=True,
        unit=Unit.DAYS,
        description="Days since the user registered; unknown without a date.",
        phrase="registered {value:,.0f} days ago",
        default=None,
        needs=("users.registered_at",),
        table="users",
        expression=lambda user: user.registered_days_ago,
    ),
)
