"""Values that the columns of a prediction take, each declared once."""

from typing import Literal, get_args

Tier = Literal["high", "mid", "low"]
"""Tier of a user by score."""

HIGH, MID, LOW = TIERS = get_args(Tier)
"""All tiers, from the top."""

Basis = Literal["orders", "attributes"]
"""What a score was computed from: the user's orders or, for a user without any, profile and behaviour."""

ORDERS, ATTRIBUTES = BASES = get_args(Basis)
