"""What the one harmless read of `check` asks for, and what its answer means."""

from __future__ import annotations

from typing import Final, TypeVar

from workers.core.delivery.outcome import Delivered, Outcome, UnknownOrder

T = TypeVar("T")

IMPROBABLE_ID: Final = "order-relay-check"  # of an order that hardly exists; it does not matter whether it does


def reached(found: T | Outcome) -> Outcome:
    """Judge a look-up of that order: `Delivered` where address and key are right, whether it is there or not."""
    if isinstance(found, UnknownOrder):
        return Delivered(status=found.status)
    return found if isinstance(found, Outcome) else Delivered(status=200)
