"""Keeps secrets and a record's own strings out of the log, out of headers and out of whatever people read."""

import re
from base64 import b64encode
from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any, Final

DETAIL_LIMIT = 500
_SHORT = 4
_HIDDEN = "\0"  # no part of any word; one in the text itself is hidden too
_MASK = "***"
_ENCODED: Final = re.compile(r"%[0-9a-f]{2}|\\[^ ]|&#?\w+;|\+", re.IGNORECASE)
_RUN: Final = re.compile(r"[a-z0-9]+", re.IGNORECASE)  # no encoding changes it, but for base64
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16}")
_LEAST_BASE64: Final = 6  # bytes of a string that is looked for in base64: fewer leave nothing that is theirs alone
_BACKSLASHES: Final = r"\\*"  # before a character of a text in JSON, in JSON once more
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_VALUE = r"""[^&;\s#"'<>()\\]+"""  # of a parameter in a query string, which is percent-encoded
_NAME = r"[^=&;\s#]*(?:token|secret|passw|api_?key|access_?key|guid|auth)[^=&;\s#]*"
_PARAMETER = re.compile(f"([?&;]{_NAME}=){_VALUE}", re.IGNORECASE)
_TOKEN = re.compile(r"""(authenticationToken["'\\]*\s*[=:,]\s*b?["'\\]*)[^&;\s#"'<>(){},\\]+""", re.IGNORECASE)
_IN_PATH = re.compile(r"""(/access-key/)[^/?&;\s#"'<>()\\]+""", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """``text`` with ``***`` for each secret that the text names.

    These are the parameters of a query string that are called a token, key or password, what follows ``/access-key/``
    in a path, and ``authenticationToken`` wherever the text has it. Otherwise an address, an echo of the vendor's or a
    library's text about a request would show a token. A line of JSON stays JSON.
    """
    for pattern in (_IN_PATH, _PARAMETER, _TOKEN):
        text = pattern.sub(rf"\1{_MASK}", text)
    return text


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


def redact(text: str, content: Any, kept: Collection[str] = ()) -> str:
    """``text`` on one line, at most `DETAIL_LIMIT` characters, every string of ``content`` in it replaced by ``***``.

    Vendors repeat a customer's name or e-mail in their refusals, in other case
    and spacing; a parked record's headers and the log are read by more people
    than the record. A string is found as it is, percent-encoded, escaped as JSON or HTML have it, and within base64:
    gateways echo a request in such forms. A string shorter than four characters is replaced only
    where it is not part of a longer word. Strings that are ``kept`` stay: they are no data of anybody.
    """
    text = _one_line(without_secrets(text))
    folded = _fold(text)
    plain = {_one_line(word) for word in strings_of(content)} - {"", *kept}
    if _BASE64.search(text):
        plain |= {form for word in plain for form in _base64_forms(word)}
    is_encoded = _ENCODED.search(text) is not None
    words = {_fold(word): word for word in plain}
    for word in sorted(words, key=_turn):
        encoded = is_encoded and _may_be_encoded(word, folded)
        if encoded or word in folded:
            form = "".join(map(_any_form, words[word])) if encoded else re.escape(word)
            pattern = _pattern(word, form)
            folded = re.sub(pattern, lambda found: _HIDDEN * len(found[0]), folded)
    return _hide(text, _with_kept(folded, _fold(text), kept))[:DETAIL_LIMIT]


def _with_kept(hidden: str, folded: str, kept: Collection[str]) -> str:
    """The folded text with each word that is kept, also where a string of the content is a part of it."""
    for word in map(_fold, kept if _HIDDEN in hidden else ()):
        for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", folded):
            hidden = hidden[: found.start()] + word + hidden[found.end() :]
    return hidden


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fold(text: str) -> str:
    """The same for every case of a text: ``Straße`` and ``STRASSE``, a dotless ``i`` and ``I``."""
    return text.upper().casefold()


def _turn(word: str) -> tuple[bool, int]:
    """The longest first; short marks (``-``) last: whether they are part of a word depends on what is left of it."""
    return len(word) < _SHORT and not re.search(r"\w", word), -len(word)


def _pattern(word: str, escaped: str) -> str:
    if len(word) >= _SHORT:
        return escaped
    mark = not re.search(r"\w", word)
    before = r"(?<!\w)" if mark or re.match(r"\w", word) else ""
    after = r"(?!\w)" if mark or re.search(r"\w$", word) else ""
    return before + escaped + after


def _may_be_encoded(word: str, folded: str) -> bool:
    """Whether the text may have the word in another form: what no encoding changes of it is there."""
    runs = _RUN.findall(word)
    return runs != [word] and (not runs or _fold(max(runs, key=len)) in folded)


def _any_form(character: str) -> str:
    """A pattern of one character, as it is or encoded; letters and digits of ASCII never are."""
    if character.isascii() and character.isalnum():
        return _fold(character)
    cases = sorted({character, character.upper(), character.lower()})
    encoded = sorted({form for case in cases for form in _encoded(case)}, key=len, reverse=True)
    plain = sorted({re.escape(_fold(case)) for case in cases}, key=len, reverse=True)
    return f"(?:{'|'.join([*encoded, *(_BACKSLASHES + form for form in plain)])})"


def _encoded(character: str) -> Iterator[str]:
    """Patterns of it percent-encoded, in JSON and in HTML; once, or once more for each gateway that repeats another."""
    units = character.encode("utf-16-be", "surrogatepass")
    yield "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    yield "".join(rf"\\+u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    named = [_NAMED[character][1:]] if character in _NAMED else []
    for reference in (*named, *(form for one in character[:1] for form in (f"#{ord(one)};", f"#x{ord(one):x};"))):
        yield f"&(?:amp;)*{reference}"
    if character == " ":
        yield r"\+|%(?:25)*2b"


def _base64_forms(word: str) -> Iterator[str]:
    """What a text with the word in it has in base64, wherever in the text the word begins."""
    data = word.encode("utf-8", "surrogatepass")
    if len(data) < _LEAST_BASE64:
        return
    for before in range(3):  # bytes of the same group of three
        whole = b64encode(bytes(before) + data).decode().rstrip("=")
        first, bits = -(-before * 8 // 6), (before + len(data)) * 8
        yield whole[first : bits // 6]
        yield whole[first : bits // 6].replace("+", "-").replace("/", "_")


def _hide(text: str, folded: str) -> str:
    """``text`` with ``***`` for every stretch that is hidden in its folded form."""
    hidden, at = [], 0
    for character in text:
        end = at + len(_fold(character))  # one character may fold to three
        hidden.append(_HIDDEN in folded[at:end])
        at = end
    stretches = groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
    return "".join(_MASK if covered else "".join(one for one, _ in pairs) for covered, pairs in stretches)
