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

TOO_LONG: Final = "too_long_texts"  # a note, counted in /status


def cut(text: str, notes: Counter[str]) -> str:
    """The text, or its beginning and an ellipsis."""
    if len(text) <= LONGEST_TEXT:
        return text
    notes[TOO_LONG] += 1
    return text[: LONGEST_TEXT - 1] + "\u2026"


def raw_json(fields: Mapping[str, Any], notes: Counter[str]) -> str | None:
    """The JSON as it came, or nothing: cut short it would be none."""
    text = orjson.dumps(fields)
    notes[TOO_LONG] += len(text) > LONGEST_RAW
    return text.decode() if len(text) <= LONGEST_RAW else None
