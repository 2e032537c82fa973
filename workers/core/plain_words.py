"""Hides whatever may be a person's in words that a vendor wrote about records that we do not have.

A poller's vendor may name a customer in an error, and no record tells which words those are (`redaction` hides the
strings of a record that we have). So only impersonal words are left: small letters, usual words of errors, short
numbers, times, addresses of hosts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Final

_MASK: Final = "***"
_USUAL_WORDS: Final = """
    a access account address after all am an and answer any api api_key argument array at authentication
    authorization backend bad base_url be body both bug busy but by call can cannot carrier cases client column
    complete conflict connection content could cpu createddatetime credentials customer_id data database date day
    days dcl deadlock denied do does due duplicate e-courier e2cc each ecdp empty envelope error errors exceeded
    exception execution expected expired failed failure false field file for forbidden format found from gateway gmt
    have host html http https i id if in index input internal invalid invoice is it items its json key komet length
    limit line list login long maintenance many match max message method missing more must name network no none not
    null number object of offline on one only operation or order ordernumber orders orderstatus our out page
    parameter parameters parse password pdf permission please pm policy prebook previous proxy query quota rate read
    record reference refused remote request requests required requires response retry retry-after returned route row
    rows sales same scheduled server service session set shipment since sorry source sql ssl status string system
    table temporarily temporary that the there this time time_zone timed timeout times tls to token tokens too try
    unable unauthorized unavailable under unexpected unhandled unknown unprocessable unreadable unsupported until up
    upstream url use user user_guid userguid username utc value view wanted was we website what when wrong xml you
    your zone
"""
_USUAL: Final = frozenset(_USUAL_WORDS.split())
_WORD: Final = re.compile(r"[a-z]+([-_'/.][a-z]+)*|[a-z]+([A-Z][a-z]+)+", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?\d{1,4}(\.\d{1,3})?", re.ASCII)
_OTHER: Final = re.compile(
    r"""\d{1,4}(\.\d{1,3})?(%|[a-z]{1,3})          # 30s, 5xx, 90%
    |\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?|\d\d?:\d\d(:\d\d)?Z?
    |([a-z]+://)?([a-z][a-z0-9-]*(\.[a-z0-9-]+)*|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\])(:\d{1,5})?
    |(/[a-z][a-z-]*)+/?""",
    re.ASCII | re.VERBOSE,
)
_AROUND: Final = re.compile(r"([(\[{<\"'`]*)(.*?)((?:'s)?[)\]}>\"'`.,;:!?\u2026]*)", re.DOTALL)
_UNITS: Final = "(?:s|bytes|pages|requests)"
_AMOUNT: Final = re.compile(rf"\d+(\.\d+)? {_UNITS}", re.ASCII)  # no telephone
_PIECES: Final = re.compile(rf"((?<!\d) |(?<=\d) (?!{_UNITS}\b)|[=|])")


def plain_words(text: str, ours: Collection[str] = ()) -> str:
    """``text`` on one line, with ``***`` for each word that may be a name, an address, a key or a long number.

    ``ours``: words that stay, such as the names of our variables.
    """
    pieces = [piece for piece in _PIECES.split(" ".join(text.split())) if piece]
    shown = list(_without_long_numbers([_shown(piece, ours) for piece in pieces]))
    return re.sub(r"\*\*\*( \*\*\*)+", _MASK, "".join(shown))


def _shown(piece: str, ours: Collection[str]) -> str:
    if _PIECES.fullmatch(piece):
        return piece
    found = _AROUND.fullmatch(piece)
    assert found is not None, "each part of the pattern may be empty"
    before, word, after = found.groups()
    return piece if not word or word in ours or _is_impersonal(word) else f"{before}{_MASK}{after}"


def _is_impersonal(word: str) -> bool:
    if any(form.fullmatch(word) for form in (_NUMBER, _AMOUNT, _OTHER, _WORD)):
        return True
    return all(part.lower() in _USUAL for part in re.split(r"[/]", word))


def _without_long_numbers(pieces: list[str]) -> Iterator[str]:
    """Numbers that follow each other are one: a telephone's."""
    for numbers, group in groupby(pieces, key=lambda piece: piece.isspace() or _is_number(piece)):
        run = list(group)
        if numbers and sum(map(_is_number, run)) > 1:
            run = [_MASK if _is_number(piece) else piece for piece in run]
        yield from run


def _is_number(piece: str) -> bool:
    return _NUMBER.fullmatch(piece.strip("()-.,;:")) is not None
