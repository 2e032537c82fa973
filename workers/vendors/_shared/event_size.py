"""Keeps events below the size that Kafka accepts, however long a vendor's texts are.

Invariant: no event is larger than Kafka accepts. Otherwise it would block all orders of its shard for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import orjson

MAX_TEXT_CHARS: Final = 16_384  # of one field
MAX_RAW_BYTES: Final = 262_144

# Notes, counted in /status.
TOO_LONG: Final = "too_long_texts"
UNREADABLE: Final = "unreadable_fields"


def cut(text: str, notes: Counter[str]) -> str:
    """The text, or its beginning and an ellipsis."""
    if len(text) <= MAX_TEXT_CHARS:
        return text
    notes[TOO_LONG] += 1
    return text[: MAX_TEXT_CHARS - 1] + "\u2026"


def raw_json(fields: Mapping[str, Any], notes: Counter[str]) -> str | None:
    """The fields as JSON; None when it is too long, because cut JSON would be unreadable."""
    text = _json(fields)
    if text is None or len(text) > MAX_RAW_BYTES:
        notes[TOO_LONG] += 1
        return None
    return text.decode()


def without_deep_fields(fields: dict[str, Any], notes: Counter[str]) -> dict[str, Any]:
    """The fields without those that are nested too deeply to be hashed, copied or written."""
    if _json(fields) is not None:
        return fields
    kept = {name: value for name, value in fields.items() if _json(value) is not None}
    notes[UNREADABLE] += len(fields) - len(kept)
    return kept


def _json(value: Any) -> bytes | None:
    """The JSON; None when the value is nested more deeply than orjson writes (254 levels; it reads 1,024)."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None
