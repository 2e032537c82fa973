"""How far an order has come, in words that mean the same at every vendor (`Progress` of the schemas)."""

from __future__ import annotations

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
"""A shadow keeps the place in this row: new words go to its end, or every shadow would mean another one."""

FINAL: Final = frozenset[Progress](("delivered", "returned", "closed_short", "cancelled"))
"""Nothing is expected to follow; should something follow all the same, it is published."""

QUIET: Final = FINAL | {"shipped"}
"""May rest: many vendors never say that a parcel has arrived."""
