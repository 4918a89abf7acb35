"""Who a user is, as known before the snapshot; what is unknown is the category "missing"."""

from features.feature import Feature

MISSING = "missing"


def _attribute(name: str, words: str) -> Feature:
    return Feature(
        name=name,
        unit="category",
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
        name="tenure",
        unit="days",
        description="Days since the user registered; unknown without a date.",
        phrase="registered {value:,.0f} days ago",
        default=None,
        needs=("users.registered_at",),
        table="users",
        expression=lambda user: user.registered_days_ago,
    ),
)
