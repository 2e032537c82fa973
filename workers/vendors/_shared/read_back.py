"""Compares what a vendor read back with what was sent: no site returns texts letter for letter."""

from __future__ import annotations

import html
import unicodedata
from typing import Any, Final

LEAST_CUT: Final = 4  # letters and digits of a text that was cut
MOST_ESCAPES: Final = 3  # times that one system after the other escaped it


def folded(value: Any) -> str:
    """The text without HTML entities, and in one case, width and spacing; None and false values are empty."""
    text = "" if value is None else str(value)
    for _ in range(MOST_ESCAPES):
        text = html.unescape(text)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def contradicts(found: Any, sent: Any) -> bool:
    """Whether the read-back can be no form of the text that was sent: not escaped, cleaned of signs, or cut.

    A text that is missing on either side tells nothing.
    """
    theirs, ours = (_letters(each) for each in (found, sent))
    cut = len(theirs) >= LEAST_CUT and ours.startswith(theirs)
    return bool(theirs and ours) and theirs != ours and not cut


def _letters(value: Any) -> str:
    return "".join(character for character in folded(value) if character.isalnum())
