"""What an event holds of a vendor's texts, however long they are: Kafka refuses a record that is too large.

Invariant: no event grows larger than Kafka takes. Broken, it would hold up all orders of its shard for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import orjson

LONGEST_TEXT: Final = 16_384  # characters of one field
LONGEST_RAW: Final = 262_144  # bytes

# Notes, counted in /status.
TOO_LONG: Final = "too_long_texts"
UNREADABLE: Final = "unreadable_fields"


def cut(text: str, notes: Counter[str]) -> str:
    """The text, or its beginning and an ellipsis."""
    if len(text) <= LONGEST_TEXT:
        return text
    notes[TOO_LONG] += 1
    return text[: LONGEST_TEXT - 1] + "\u2026"


def raw_json(fields: Mapping[str, Any], notes: Counter[str]) -> str | None:
    """The JSON as it came, or nothing: cut short it would be none."""
    text = _json(fields)
    if text is None or len(text) > LONGEST_RAW:
        notes[TOO_LONG] += 1
        return None
    return text.decode()


def shallow(fields: dict[str, Any], notes: Counter[str]) -> dict[str, Any]:
    """The fields without those that are nested so deeply that nobody can hash, copy or write them."""
    if _json(fields) is not None:
        return fields
    kept = {name: value for name, value in fields.items() if _json(value) is not None}
    notes[UNREADABLE] += len(fields) - len(kept)
    return kept


def _json(value: Any) -> bytes | None:
    """None where it is nested more deeply than orjson writes (254 levels); it reads 1,024."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None
