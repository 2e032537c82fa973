"""JSON values one after another in any layout, as they come: one a line, several a line, or one over many lines.

An array's elements count as values of the stream. A fault names its line. After a fault the reading goes on with the
next line that can begin a value, so that one misplaced quote in a document of sixty lines is one fault, not sixty.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

BOM: Final = b"\xef\xbb\xbf"
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|"')
_OPENS: Final = (b"{", b"[")
_CLOSES: Final = {b"}": b"{", b"]": b"["}
_SEPARATORS: Final = (b"[", b"]", b",")
"""Between values: of an array around them."""
_CONTINUES: Final = (b"", b"}", b"]", b",", b'"')
"""How a line begins that is no value's first."""


@dataclass(frozen=True, slots=True)
class JsonValue:
    line: int  # where it begins: 1, 2, ...
    value: Any


@dataclass(frozen=True, slots=True)
class NotJson:
    line: int  # of the fault
    fault: str  # never the text itself


def json_values(lines: Iterable[bytes]) -> Iterator[JsonValue | NotJson]:
    """Read a stream; a value is given as soon as its last line has come."""
    stream, number = _Stream(), 0
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(BOM)  # files that were put together have one in the middle
        if not stream.is_open and text.startswith(b"{"):
            try:  # one value a line, as most streams have it
                value = orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
            else:
                stream.is_lost = False
                yield JsonValue(number, value)
                continue
        yield from stream.read(number, text)
    if stream.is_open:
        yield NotJson(stream.begun, f"not JSON: a value begins here and has no end up to line {number}")


@dataclass(slots=True)
class _Stream:
    """The value that has begun and not ended, and the line that is being read."""

    begun: int = 0
    parts: list[bytes] = field(default_factory=list)  # of its text
    blocks: list[bytes] = field(default_factory=list)  # open brackets, the innermost last
    before: bytes = b""  # the last token
    is_lost: bool = False  # after a fault: where the next value begins is unknown
    number: int = 0
    line: bytes = b""
    start: int = 0  # of the value's text in the line

    @property
    def is_open(self) -> bool:
        return bool(self.blocks)

    def read(self, number: int, line: bytes) -> Iterator[JsonValue | NotJson]:
        """Read one line: it may end a value, hold several, and begin one."""
        if self.is_lost and (line[:1].isspace() or line[:1] in _CONTINUES):
            return  # the rest of the value with the fault
        self.is_lost, self.number, self.line, self.start = False, number, line, 0
        for token in _TOKEN.finditer(line):
            found = self._inside(token) if self.is_open else self._outside(token)
            if found is not None:
                yield found
            if self.is_lost:
                return
        if self.is_open:
            self.parts.append(line[self.start :])

    def _outside(self, token: re.Match[bytes]) -> NotJson | None:
        """A token between values: it begins one."""
        if token[0] in _SEPARATORS:
            return None
        if token[0] != b"{":
            self.is_lost = True
            return NotJson(self.number, "not JSON: an event is a JSON object: { ... }")
        self.begun, self.start = self.number, token.start()
        self._advance(token[0])
        return None

    def _inside(self, token: re.Match[bytes]) -> JsonValue | NotJson | None:
        word = token[0]
        if self._is_broken(word):
            return self._lose(self.line[self.start :])
        if word in _OPENS and not self._value_may_begin():
            lost = self._lose(self.line[self.start : token.start()])
            if not self.line[: token.start()].strip():  # the value before lacks its end, and here the next one begins
                self.is_lost = False
                self._outside(token)
            return lost
        self._advance(word)
        return None if self.is_open else self._value(self.line[self.start : token.end()])

    def _value_may_begin(self) -> bool:
        return self.before in {b":", b"["} or (self.before == b"," and self.blocks[-1] == b"[")

    def _is_broken(self, word: bytes) -> bool:
        """A text without its end on the line, or a bracket that closes another one."""
        return word == b'"' or (word in _CLOSES and self.blocks[-1] != _CLOSES[word])

    def _advance(self, word: bytes) -> None:
        if word in _OPENS:
            self.blocks.append(word)
        elif word in _CLOSES:
            self.blocks.pop()
        self.before = word

    def _value(self, last: bytes) -> JsonValue | NotJson:
        text, begun = b"".join([*self.parts, last]), self.begun
        self._forget()
        try:
            return JsonValue(begun, orjson.loads(text))
        except orjson.JSONDecodeError as error:
            return NotJson(begun + error.lineno - 1, f"not JSON: {error.msg} at column {error.colno}")

    def _lose(self, last: bytes) -> NotJson:
        """Give up the open value, for the reason that the parser gives for what came of it."""
        text, begun = b"".join([*self.parts, last]).rstrip(), self.begun
        self._forget()
        self.is_lost = True
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return NotJson(begun + error.lineno - 1, f"not JSON: {error.msg} at column {error.colno}")
        return NotJson(begun, "not JSON")

    def _forget(self) -> None:
        self.parts, self.blocks, self.before = [], [], b""
