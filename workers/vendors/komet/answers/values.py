"""Komet's values: ids, numbers and booleans come in any type."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from workers.vendors._shared.decimals import MONEY_SCALE, QUANTITY_SCALE, unscaled
from workers.vendors._shared.local_time import parse_local_time

PO_NAMES: Final = ("customerPONumber", "customerPo", "customerPO", "customerPoNumber")
"""What the customer's PO may be called: the pages spell it in two ways, and show no whole answer."""

UTC_ZONE: Final = ZoneInfo("UTC")
_TRUE: Final = frozenset({"1", "1.0", "true", "yes", "y"})
_FALSE: Final = frozenset({"0", "0.0", "false", "no", "n"})
_NUMBER: Final = re.compile(r"[+-]?(0|[1-9]\d{0,17})(\.\d{1,18})?", re.ASCII)


def text_of(value: Any) -> str:
    """An id or a text without padding, whatever its type: ``57142``, ``"57142"`` and ``57142.0`` are one id."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def flag_of(value: Any) -> bool | None:
    """A boolean as true and false, 1 and 0, or their texts; None for anything else."""
    said = text_of(value).lower()
    return True if said in _TRUE else False if said in _FALSE else None


def code_of(value: Any) -> int | None:
    """A code such as an invoice's ``status``, as number or text; None for anything else."""
    said = text_of(value)
    return int(said) if said.isascii() and said.removeprefix("-").isdigit() and len(said) <= 9 else None  # noqa: PLR2004 - 32 bits


Text = Annotated[str, BeforeValidator(text_of)]
Flag = Annotated[bool | None, BeforeValidator(flag_of)]
Code = Annotated[int | None, BeforeValidator(code_of)]


def _unscaled(scale: int) -> BeforeValidator:
    """An exact number without its point; an unreadable one counts as missing, and blocks no other row."""

    def read(value: Any) -> int | None:
        try:
            return unscaled(None if isinstance(value, bool) else value, scale)
        except ValueError:
            return None

    return BeforeValidator(read)


Money = Annotated[int | None, _unscaled(MONEY_SCALE)]
Quantity = Annotated[int | None, _unscaled(QUANTITY_SCALE)]


def day_of(value: Any) -> date | None:
    """A plain date, with or without a time after it; None for anything else."""
    try:
        return date.fromisoformat(text_of(value)[:10])
    except ValueError:
        return None


def instant_of(value: Any) -> int | None:
    """Milliseconds of ``2026-11-28 13:30:00``, in GMT as `updatedAsOf` is; None for anything else."""
    found = parse_local_time(text_of(value), UTC_ZONE)
    return None if found is None else found.earlier_ms


def named_values(row: Any) -> Any:
    """A row without names that have no value: of two names that a field may have, the one with a value counts."""
    return {name: value for name, value in row.items() if value not in (None, "")} if isinstance(row, dict) else row


def normal(value: Any) -> Any:
    """One form for all ways in which Komet writes a value: neither its type nor padding is a change."""
    match value:
        case dict():
            return {name: normal(each) for name, each in value.items()}
        case list():
            return [normal(each) for each in value]
        case None | "":
            return None
        case bool():
            return str(int(value))
        case _:
            text = str(value).strip()
            flag = {"true": "1", "false": "0"}.get(text.lower())
            return flag or _plain_number(text) or text or None


def _plain_number(text: str) -> str | None:
    if not _NUMBER.fullmatch(text):
        return None
    return f"{Decimal(text).normalize() + 0:f}"
