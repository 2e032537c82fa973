"""An order's progress, in words that mean the same at every vendor (`Progress` of the schemas)."""

from typing import Final, Literal, TypeAlias, get_args

Progress: TypeAlias = Literal[
    "unknown",
    "received",
    "on_hold",
    "processing",
    "partially_shipped",
    "shipped",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "exception",
    "returned",
    "closed_short",
    "cancelled",
]

PROGRESS: Final[tuple[Progress, ...]] = get_args(Progress)
"""`LastPublished` stores the position in this tuple: add new words at its end."""

FINAL: Final = frozenset[Progress](("delivered", "returned", "closed_short", "cancelled"))
"""No further stage is expected; if one follows, it is published."""

QUIET: Final = FINAL | {"shipped"}
"""Stages in which an order may rest: many vendors never report that a parcel arrived."""
