"""Values as e-Courier writes them: each is a text, whatever its documented type."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from workers.core.events import Money, money_text
from workers.vendors._shared.limits import LimitError

DEGREE_PLACES: Final = 8  # a millimetre
LEAST, MOST = 0.000001, 1_000_000.0  # of a weight or a length, in any unit that a site may use
NOTIFICATIONS: Final = frozenset({-2, -1, *range(1, 13)})  # the documented OrderNotifyIDs


def measure(value: float | None, field: str) -> str | None:
    """A weight, a height or a width. Plain decimals: a site that reads ``5e-05`` as 5 would charge for it."""
    if value is None:
        return None
    if value == 0 or LEAST <= value <= MOST:
        return _plain(abs(value))
    raise LimitError(field, "must be 0, or 0.000001 to 1000000")


def degrees(value: float | None, most: int, field: str) -> str | None:
    """A latitude or a longitude."""
    if value is None:
        return None
    if -most <= value <= most:
        return _plain(round(value, DEGREE_PLACES) + 0.0)  # no -0
    raise LimitError(field, f"must be -{most} to {most}")


def amount(money: Money | None, field: str) -> str | None:
    """An exact amount of money."""
    if money is None:
        return None
    text = money_text(money)
    if text.startswith("-"):
        raise LimitError(field, "must be 0 or more")
    return text


def truth(value: bool | None) -> str | None:
    """XML's ``true`` and ``false``: the page's JSON follows its XML schema."""
    return None if value is None else str(value).lower()


def notification(number: int, field: str) -> str:
    """An OrderNotifyID."""
    if number not in NOTIFICATIONS:
        raise LimitError(field, "must be -2, -1, or 1 to 12")
    return str(number)


def filled(text: str, field: str) -> str:
    """A required text."""
    if not text.strip():
        raise LimitError(field, "must not be empty")
    return text


def _plain(value: float) -> str:
    return f"{Decimal(f'{value:.15g}'):f}"
