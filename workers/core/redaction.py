"""Keeps a record's own strings out of the log and out of headers."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

DETAIL_LIMIT = 500
_SHORT = 4
_HIDDEN = "\0"  # no part of any word; one in the text itself is hidden too


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


def redact(text: str, content: Any) -> str:
    """``text`` on one line, at most `DETAIL_LIMIT` characters, every string of ``content`` in it replaced by ``***``.

    Vendors repeat a customer's name or e-mail in their refusals, in other case
    and spacing; a parked record's headers and the log are read by more people
    than the record. A string shorter than four characters is replaced only
    where it is not part of a longer word.
    """
    text = _one_line(text)
    folded = _fold(text)
    words = {_fold(_one_line(word)) for word in strings_of(content)} - {""}
    for word in sorted(words, key=_turn):
        if word in folded:
            folded = re.sub(_pattern(word), lambda found: _HIDDEN * len(found[0]), folded)
    return _hide(text, folded)[:DETAIL_LIMIT]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fold(text: str) -> str:
    """The same for every case of a text: ``Straße`` and ``STRASSE``, a dotless ``i`` and ``I``."""
    return text.upper().casefold()


def _turn(word: str) -> tuple[bool, int]:
    """The longest first; short marks (``-``) last: whether they are part of a word depends on what is left of it."""
    return len(word) < _SHORT and not re.search(r"\w", word), -len(word)


def _pattern(word: str) -> str:
    escaped = re.escape(word)
    if len(word) >= _SHORT:
        return escaped
    mark = not re.search(r"\w", word)
    before = r"(?<!\w)" if mark or re.match(r"\w", word) else ""
    after = r"(?!\w)" if mark or re.search(r"\w$", word) else ""
    return before + escaped + after


def _hide(text: str, folded: str) -> str:
    """``text`` with ``***`` for every stretch that is hidden in its folded form."""
    hidden, at = [], 0
    for character in text:
        end = at + len(_fold(character))  # one character may fold to three
        hidden.append(_HIDDEN in folded[at:end])
        at = end
    stretches = groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
    return "".join("***" if covered else "".join(one for one, _ in pairs) for covered, pairs in stretches)
