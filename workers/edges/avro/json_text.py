"""Times and decimals as JSON text, exact both ways."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST_MS: Final = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z in milliseconds
_LAST_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_LONG: Final = 1 << 63
_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):([0-5]\d))", re.ASCII
)
_DECIMAL: Final = re.compile(r"(-?)(\d+)(?:\.(\d+))?", re.ASCII)
_PLACES: Final = 2  # an amount is written with at least two places: 150.00


def time_millis(value: Any) -> int | None:
    """Milliseconds since 1970 of an RFC 3339 text, cut to the millisecond; None: it is no such text.

    A bare number is taken only beyond the years that a text can name (see
    `time_text`), so a number of seconds is never mistaken for milliseconds.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_LONG <= value < _LONG and not _FIRST_MS <= value <= _LAST_MS else None
    found = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    date, clock, fraction, sign, hours, minutes = found.groups()
    try:
        local = datetime.fromisoformat(f"{date}T{clock}+00:00")
    except ValueError:
        return None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    millis = (local - _EPOCH) // _MILLISECOND + int(f"{fraction or ''}000"[:3])
    millis += (offset if sign == "-" else -offset) // _MILLISECOND
    return millis if _FIRST_MS <= millis <= _LAST_MS else None


def time_text(millis: int) -> str | int:
    """RFC 3339 text in UTC with milliseconds; beyond the years 1 to 9999 the number itself."""
    if not _FIRST_MS <= millis <= _LAST_MS:
        return millis
    return (_EPOCH + millis * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decimal_bytes(value: Any, precision: int, scale: int, size: int | None = None) -> bytes | None:
    """Unscaled two's complement of a decimal text, of as few bytes as possible or ``size``; None: it is no decimal."""
    found = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    sign, whole, places = found.groups(default="")
    places = places.rstrip("0")
    digits = (whole + places.ljust(scale, "0")).lstrip("0")
    if len(places) > scale or len(digits) > precision:
        return None
    unscaled = int(f"{sign}{digits or '0'}")
    length = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    if size is not None and length > size:
        return None
    return unscaled.to_bytes(size or length, "big", signed=True)


def decimal_text(unscaled: bytes, scale: int) -> str:
    """Exact text of a decimal with at least two places, as far as its scale allows: ``150.00``, ``0.1234``."""
    number = int.from_bytes(unscaled, "big", signed=True)
    digits = tuple(map(int, str(abs(number))))
    whole, _, places = f"{Decimal((int(number < 0), digits, -scale)):f}".partition(".")
    places = places[:_PLACES] + places[_PLACES:].rstrip("0")
    return f"{whole}.{places}" if places else whole
