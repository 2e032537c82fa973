"""YAML 1.2 as plain values (its core schema: ``yes`` is a text), each with the place where it stands."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import yaml
from yaml import AliasEvent, CSafeLoader, Event, MappingStartEvent, ScalarEvent, SequenceStartEvent

MAX_DEPTH: Final = 32  # blocks within blocks
MAX_VALUES: Final = 20_000  # with those that merges copy: merges of merges grow with the square of the text
MAX_DIGITS: Final = 100
_TOO_DEEP: Final = f"must not nest deeper than {MAX_DEPTH} levels"

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = Scalar | list["Node"] | dict[str, "Node"]


class Node(NamedTuple):
    """A value, and where it stands: at its key in a map, else at its beginning."""

    line: int  # from 1
    column: int  # from 1
    value: Value


class NotReadableError(Exception):
    """The text is no YAML, or more than topics.yaml needs of it; says what to change."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.column, self.problem = line, column, problem


def read_nodes(text: str) -> Node | None:
    """The text's one document, None of an empty text. An alias gives the node itself; raises `NotReadableError`."""
    if found := _LINE_ENDS_OF_YAML_1_1.search(text):
        problem = f"an invisible character (U+{ord(found[0]):04X}); type a space or a new line"
        raise NotReadableError(*_end_of(text[: found.start()]), problem)
    try:
        events = yaml.parse(text, CSafeLoader)
        return _Nodes(event for event in events if event.__class__ not in _STREAM).read()
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position].decode(errors="ignore")
        raise NotReadableError(*_end_of(before), "has a character that YAML does not allow; take it out") from None
    except yaml.MarkedYAMLError as error:
        raise _misread(error) from None
    except UnicodeError:  # a variable whose bytes are none; a tag's escapes
        raise NotReadableError(1, 1, "is not UTF-8 text, or has a tag ('!') that is none") from None


_LINE_ENDS_OF_YAML_1_1: Final = re.compile("[\x85\u2028\u2029]")  # libyaml would end a comment there
_STREAM = {yaml.StreamStartEvent, yaml.StreamEndEvent}


class _Nodes:
    """Takes the parser's events one at a time, so that what nests too deep ends before it takes time or stack."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._anchors: dict[str, Value] = {}
        self._count = 0

    def read(self) -> Node | None:
        if next(self._events, None) is None:
            return None
        node = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        for second in self._events:
            raise _fault(second, "a second document begins here; write one, without '---' between")
        return node

    def _node(self, event: Event, depth: int) -> Node:
        return Node(*_place(event.start_mark), self._value(event, depth))

    def _value(self, event: Event, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise _fault(event, _TOO_DEEP)
        self._counted(event, 1)
        if isinstance(event, AliasEvent):
            return self._named(event)
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent), "the parser gives nothing else"
        if event.tag not in _TAGS[type(event)]:
            advice = "write the plain value, in quotes if it begins with !"
            raise _fault(event, f"the tag {event.tag:.60} is not known here; {advice}")
        value: Value
        if isinstance(event, MappingStartEvent):
            value = self._map(event, depth)
        elif isinstance(event, SequenceStartEvent):
            value = [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        else:
            value = _scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = value  # only now: no value can contain itself
        return value

    def _map(self, start: Event, depth: int) -> dict[str, Node]:
        own: dict[str, Node] = {}
        for key in self._until(yaml.MappingEndEvent):
            if not isinstance(key, ScalarEvent):
                raise _fault(key, "a key must be plain text")
            if key.value in own:
                raise _fault(key, f'the key "{key.value}" is here twice; take one out')
            own[key.value] = Node(*_place(key.start_mark), self._value(next(self._events), depth + 1))
        if "<<" not in own:
            return own
        merge = own.pop("<<")
        blocks = _merged_blocks(merge)
        self._counted(start, sum(map(len, blocks)))
        merged = {key: node.value for block in reversed(blocks) for key, node in block.items()}
        return {key: Node(merge.line, merge.column, value) for key, value in merged.items()} | own

    def _counted(self, event: Event, values: int) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            raise _fault(event, f"must not have more than {MAX_VALUES:,} values, with those that '<<' copies")

    def _until(self, end: type[Event]) -> Iterator[Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _named(self, alias: AliasEvent) -> Value:
        if alias.anchor not in self._anchors:
            raise _fault(alias, f"undefined alias *{alias.anchor}: write &{alias.anchor} before a value above")
        return self._anchors[alias.anchor]


def _merged_blocks(merge: Node) -> list[dict[str, Node]]:
    """What ``<<`` brings in: of several maps the first that has a key counts. Its keys stand where the ``<<`` does."""
    blocks = merge.value if isinstance(merge.value, list) else [merge]
    found: list[dict[str, Node]] = []
    for block in blocks:
        if not isinstance(block.value, dict):
            raise NotReadableError(merge.line, merge.column, "'<<' must name a block of keys, or a list of them")
        found.append(block.value)
    return found


_TAGS: Final[dict[type[Event], tuple[str | None, ...]]] = {
    ScalarEvent: (None, "!", "tag:yaml.org,2002:str"),
    SequenceStartEvent: (None, "!", "tag:yaml.org,2002:seq"),
    MappingStartEvent: (None, "!", "tag:yaml.org,2002:map"),
}

_NAMED: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{sign + inf: float(sign + "inf") for sign in ("", "+", "-") for inf in (".inf", ".Inf", ".INF")},
}
_WHOLE: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def _scalar(event: ScalarEvent) -> Scalar:
    """A value by the core schema (YAML 1.2, 10.3.2); a quoted one, or one with the tag ``!!str``, is a text."""
    text: str = event.value
    if event.tag is not None or not event.implicit[0]:
        return text
    if text in _NAMED:
        return _NAMED[text]
    is_whole, is_float = _WHOLE.fullmatch(text), _FLOAT.fullmatch(text)
    if (is_whole or is_float) and len(text) > MAX_DIGITS:
        raise _fault(event, "a number with so many digits cannot be read")
    if is_whole:
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    return float(text) if is_float else text


_BEGUN: Final[Mapping[str, str]] = {
    "could not find expected ':'": "this key lacks its ':'",
    "found unexpected end of stream": "this quote is never closed",
    "did not find expected ',' or ']'": "this '[' is not closed, or a ',' between its values is missing",
    "did not find expected ',' or '}'": "this '{' is not closed, or a ',' between its keys is missing",
}
"""What begins and never ends, by libyaml's words. The operator reads where it begins, not where libyaml noticed it."""

_ADVICE: Final[Mapping[str, str]] = {
    **_BEGUN,
    "found character that cannot start any token": "nothing may begin with this character: indent with spaces, not "
    "tabs, and put quotes around a value that begins with @, % or `",
    "mapping values are not allowed in this context": "this ':' follows no key of this block: check the indentation, "
    "write a space after each key's ':', and put quotes around a text with ': ' in it",
    "did not find expected key": "indented differently from the lines that it belongs to; check the indentation here "
    "and just above",
    "found unknown escape character": "no such escape; put single quotes around a text with \\ in it",
    "exceeded maximum nesting depth": _TOO_DEEP,  # libyaml looks ahead for a key that ends later
}


def _end_of(before: str) -> tuple[int, int]:
    """The place of the character that follows this text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _fault(event: Event, problem: str) -> NotReadableError:
    return NotReadableError(*_place(event.start_mark), problem)


def _misread(error: yaml.MarkedYAMLError) -> NotReadableError:
    problem = error.problem or ""
    begun = error.context_mark if problem in _BEGUN else None
    advice = _ADVICE.get(problem, f"{problem}; check the indentation and the colons here and just above")
    return NotReadableError(*_place(begun or error.problem_mark or error.context_mark), advice)
