"""Vendors' numbers as Avro's decimals: exact, whether JSON has them as number or text."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

MONEY_SCALE: Final = 4  # of decimal(18,4)
QUANTITY_SCALE: Final = 6  # of decimal(18,6)
_TOO_LARGE: Final = 10**18


def unscaled(value: Any, scale: int) -> int | None:
    """The number without its point, rounded to ``scale`` places; None for null and the empty text.

    Raises `ValueError` for anything else that is no number of at most 18 digits.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("wanted a number")  # noqa: TRY004 - what pydantic takes for a fault of the field
    try:
        number = value * 10**scale if isinstance(value, int) else round(Decimal(str(value)).scaleb(scale))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ValueError("wanted a number") from error
    if not -_TOO_LARGE < number < _TOO_LARGE:
        raise ValueError("wanted a number of at most 18 digits")
    return number


def avro_decimal(number: int | None) -> bytes | None:
    """The unscaled number as Avro writes it: two's complement, big-endian, of as few bytes as possible."""
    if number is None:
        return None
    length = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(length, "big", signed=True)
