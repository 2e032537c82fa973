"""Keep a record's own strings out of what is logged or written beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

DETAIL_LIMIT = 500
_SHORT = 4


def strings_of(content: Any) -> Iterator[str]:
    """Every string in decoded content, however deep."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from strings_of(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from strings_of(value)


def mask(text: str, content: Any) -> str:
    """``text`` on one line, at most 500 characters, every string of ``content`` in it replaced by ``***``.

    Vendors repeat a customer's name or e-mail in their refusals; a parked
    record's headers and the log are read by more people than the record.
    """
    words = sorted({word for word in strings_of(content) if word.strip()}, key=len, reverse=True)
    if words:
        text = re.sub("|".join(_pattern(word) for word in words), "***", text, flags=re.IGNORECASE)
    return " ".join(text.split())[:DETAIL_LIMIT]


def _pattern(word: str) -> str:
    escaped = re.escape(word)
    return rf"(?<!\w){escaped}(?!\w)" if len(word) < _SHORT else escaped
