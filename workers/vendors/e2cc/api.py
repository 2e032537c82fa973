"""E2CC's rows as the relay reads them: cleaned texts, exact decimals, times on E2CC's own clock.

Everything here happens before anything is compared: padding or an entity that comes and goes is no change.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from workers.vendors._shared.decimals import MONEY_SCALE, QUANTITY_SCALE, avro_decimal, unscaled
from workers.vendors._shared.event_size import UNREADABLE, cut
from workers.vendors._shared.local_time import PossibleInstants, parse_local_time

CREATED: Final = "createdDateTime"

NUMBERS: Final = frozenset(
    (
        "adjustedQuantity",
        "amount",
        "arBalancesSharedCreditCurrentBal",
        "arBalancesSharedCreditTotalOpenOrders",
        "balance",
        "creditLimit",
        "detailQty",
        "detailUnitPrice",
        "freightPrice",
        "lineNbr",
        "orderQty",
        "orderTotal",
        "qtyAvailable",
        "remainingCreditLimit",
        "shippedQty",
        "unitPrice",
    )
)
"""Fields with a number: as text ("3.000000"), or as a number."""

_NEVER_READ: Final = re.compile(r"address|pay_?link", re.IGNORECASE)  # where people live, and links that pay
_BLANKS: Final = re.compile(r"[^\S\n]+")  # a no-break space among them
_WIDEST: Final = 40  # characters of a number


def clean_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with cleaned texts, without addresses and payment links: they are in no event, log or raw text."""
    return {name: _clean(value, name) for name, value in row.items() if not _NEVER_READ.search(name)}


def _clean(value: Any, name: str = "") -> Any:
    match value:
        case str() | int() | float() if name in NUMBERS:
            return _plain_number(value)
        case str():
            return clean_text(value)
        case dict():
            return clean_row(value)
        case list():
            return [_clean(one) for one in value]
        case _:
            return value


def clean_text(text: str) -> str:
    """Entities decoded, one kind of line break, runs of blanks as one, no padding."""
    broken = html.unescape(text).replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(line.strip() for line in _BLANKS.sub(" ", broken).split("\n")).strip()


def _plain_number(value: Any) -> Any:
    """One text for one number: ``3``, ``3.0`` and ``"3.000000"`` are ``3``. Other values are cleaned as texts."""
    text = str(value).strip()
    try:
        number = Decimal(text) if len(text) <= _WIDEST and not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        return clean_text(value) if isinstance(value, str) else value
    plain = f"{number.normalize():f}" if abs(number.adjusted()) < _WIDEST else text
    return "0" if plain == "-0" else plain


def text_of(row: Mapping[str, Any], name: str) -> str:
    """A field as text; a missing field and null are empty."""
    value = row.get(name)
    return "" if value is None or isinstance(value, dict | list) else str(value)


def short_text(row: Mapping[str, Any], name: str, notes: Counter[str]) -> str:
    """A field as text that an event can hold."""
    return cut(text_of(row, name), notes)


def money(row: Mapping[str, Any], name: str, notes: Counter[str]) -> bytes | None:
    """A field as Avro's decimal(18,4)."""
    return avro_decimal(_unscaled(row, name, MONEY_SCALE, notes))


def quantity(row: Mapping[str, Any], name: str, notes: Counter[str]) -> bytes | None:
    """A field as Avro's decimal(18,6)."""
    return avro_decimal(_unscaled(row, name, QUANTITY_SCALE, notes))


def whole_number(row: Mapping[str, Any], name: str) -> int | None:
    """A field as a 32-bit integer; None for anything else."""
    text = text_of(row, name)
    number = int(text) if re.fullmatch(r"-?[0-9]{1,10}", text) else None
    return number if number is not None and -(2**31) <= number < 2**31 else None


def instant(row: Mapping[str, Any], name: str, zone: ZoneInfo, notes: Counter[str]) -> PossibleInstants | None:
    """A time in milliseconds since 1970; on E2CC's clock when it has no offset. None: missing or unreadable."""
    text = text_of(row, name)
    if not text:
        return None
    found = parse_local_time(text, zone)
    notes[UNREADABLE] += found is None
    return found


def day(row: Mapping[str, Any], name: str) -> str | None:
    """A field with a date only, as ``2026-06-24``: E2CC writes midnight after it. None: missing."""
    return text_of(row, name).removesuffix("T00:00:00") or None


def chosen(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """These fields of the row: what is compared does not depend on fields that E2CC adds one day."""
    return {name: row[name] for name in names if row.get(name) not in (None, "")}


def _unscaled(row: Mapping[str, Any], name: str, scale: int, notes: Counter[str]) -> int | None:
    try:
        return unscaled(row.get(name), scale)
    except ValueError:
        notes[UNREADABLE] += 1
        return None
