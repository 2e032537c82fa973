"""Events as JSON for people and machines, by the schema's types.

| Avro                  | JSON                                                                       |
|-----------------------|----------------------------------------------------------------------------|
| timestamp-millis      | RFC 3339 text: any offset and fraction in (cut to the millisecond), out as |
|                       | ``2026-11-22T10:00:00.000Z``; beyond the years 1 to 9999 the bare number   |
| decimal               | text such as ``"150.00"``: exact, never through a float                    |
| other bytes and fixed | base64 text                                                                |
| float, double         | number; ``"NaN"``, ``"Infinity"``, ``"-Infinity"`` as text                 |
| union                 | the value itself: the first branch that takes it                           |
| a field left out      | its default                                                                |

The Avro side is the raw form of ``core/events.py``: milliseconds as int, decimals as bytes.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Never, assert_never

from workers.edges.avro.defaults import default_of
from workers.edges.avro.json_text import decimal_bytes, decimal_text, time_millis, time_text
from workers.edges.avro.schema_tree import Array, Enum, Field, Fixed, Map, Primitive, Record, Type, Union

_BITS = {"int": 31, "long": 63}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_WORDS = {
    "null": "null",
    "boolean": "true or false",
    "int": "a whole number of 32 bits",
    "long": "a whole number of 64 bits",
    "float": "a number of 32 bits",
    "double": "a number",
    "bytes": "base64 text",
    "string": "text",
}


class InvalidEvent(ValueError):  # noqa: N818 - a fact about an event, not an error's name
    """A JSON event that its schema does not take; it never holds the value that was given."""

    def __init__(self, path: str, wanted: str, fault: str = "") -> None:
        """``path`` is such as ``order.lines[2].unit_price``; empty: the event as a whole."""
        super().__init__(f"{path or 'the event'}: {fault}wanted {wanted}")
        self.path = path
        self.wanted = wanted


def from_json(tree: Record, event: Any) -> dict[str, Any]:
    """Turn a parsed JSON event into its raw Avro form; raises `InvalidEvent` for the first fault."""
    return _take_record(tree, event, "")


def to_json(tree: Record, event: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a raw Avro event into values that JSON can hold; `from_json` makes the same event of them."""
    return {item.name: _give(item.type, event[item.name]) for item in tree.fields}


def _take(tree: Type, value: Any, path: str) -> Any:  # noqa: PLR0911 - one return for each kind of type
    match tree:
        case Primitive():
            return _take_primitive(tree, value, path)
        case Record():
            return _take_record(tree, value, path)
        case Array(items=items):
            _want(isinstance(value, list), path, "a list")
            return [_take(items, item, f"{path}[{number}]") for number, item in enumerate(value)]
        case Map(values=values):
            _want(isinstance(value, dict), path, "an object")
            return {_text(key, path): _take(values, item, f"{path}.{key}") for key, item in value.items()}
        case Enum(symbols=symbols):
            _want(isinstance(value, str) and value in symbols, path, f"one of {', '.join(symbols)}")
            return value
        case Union(branches=branches):
            return _take_union(branches, value, path)
        case Fixed(size=size):
            return _take_bytes(tree, value, path, size)
        case _:
            assert_never(tree)


def _take_record(tree: Record, value: Any, path: str) -> dict[str, Any]:
    _want(isinstance(value, dict), path, f"an object with the fields of {tree.name.rpartition('.')[2]}")
    names = [item.name for item in tree.fields]
    for key in value:
        if key not in names:
            raise InvalidEvent(_joined(path, key), _nearest(key, names), "no such field; ")
    return {item.name: _take_field(item, value, _joined(path, item.name)) for item in tree.fields}


def _take_field(item: Field, value: Mapping[str, Any], path: str) -> Any:
    if item.name in value:
        return _take(item.type, value[item.name], path)
    if not item.has_default:
        raise InvalidEvent(path, _words(item.type), "missing; ")
    return default_of(item)


def _take_union(branches: Iterable[Type], value: Any, path: str) -> Any:
    nullable = any(isinstance(branch, Primitive) and branch.kind == "null" for branch in branches)
    if value is None:
        _want(nullable, path, _either(branches))
        return None
    others = [branch for branch in branches if not (isinstance(branch, Primitive) and branch.kind == "null")]
    if len(others) == 1:
        return _take(others[0], value, path)
    for branch in others:
        try:
            return _take(branch, value, path)
        except InvalidEvent:
            continue
    return _refuse(path, _either(branches))


def _take_primitive(tree: Primitive, value: Any, path: str) -> Any:
    if tree.logical is not None and tree.logical.name == "timestamp-millis":
        millis = time_millis(value)
        return _refuse(path, _words(tree)) if millis is None else millis
    match tree.kind:
        case "bytes":
            return _take_bytes(tree, value, path, None)
        case "string":
            return _text(value, path)
        case "null":
            _want(value is None, path, "null")
        case "boolean":
            _want(isinstance(value, bool), path, _words(tree))
        case "int" | "long" as kind:
            whole = isinstance(value, int) and not isinstance(value, bool)
            _want(whole and -(1 << _BITS[kind]) <= value < 1 << _BITS[kind], path, _words(tree))
        case "float" | "double":
            return _take_number(tree, value, path)
        case _:
            assert_never(tree.kind)
    return value


def _take_number(tree: Primitive, value: Any, path: str) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    _want(isinstance(value, int | float) and not isinstance(value, bool), path, _words(tree))
    try:
        number = float(value)
        return number if tree.kind == "double" else float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return _refuse(path, _words(tree))


def _take_bytes(tree: Primitive | Fixed, value: Any, path: str, size: int | None) -> bytes:
    if tree.logical is not None and tree.logical.name == "decimal":
        taken = decimal_bytes(value, tree.logical.precision, tree.logical.scale, size)
    else:
        taken = _base64(value)
        taken = taken if size in (None, len(taken or b"")) else None
    return _refuse(path, _words(tree)) if taken is None else taken


def _base64(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        return None


def _text(value: Any, path: str) -> str:
    _want(isinstance(value, str), path, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(path, "text of whole Unicode characters (it holds half a surrogate pair)")
    return str(value)


def _give(tree: Type, value: Any) -> Any:
    match tree:
        case Primitive() | Fixed():
            return _give_plain(tree, value)
        case Record(fields=fields):
            return {item.name: _give(item.type, value[item.name]) for item in fields}
        case Array(items=items):
            return [_give(items, item) for item in value]
        case Map(values=values):
            return {key: _give(values, item) for key, item in value.items()}
        case Enum():
            return value
        case Union(branches=branches):
            return _give(next(branch for branch in branches if _holds(branch, value)), value)
        case _:
            assert_never(tree)


def _give_plain(tree: Primitive | Fixed, value: Any) -> Any:
    logical = None if tree.logical is None else tree.logical.name
    if isinstance(value, bytes):
        if tree.logical is not None and logical == "decimal":
            return decimal_text(value, tree.logical.scale)
        return base64.b64encode(value).decode("ascii")
    if logical == "timestamp-millis":
        return time_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, number in _NOT_FINITE.items() if str(number) == str(value))
    return value


_PYTHON: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "bytes": bytes,
    "string": str,
}


def _holds(tree: Type, value: Any) -> bool:  # noqa: PLR0911 - the same
    """Whether a raw value may be of this branch of a union."""
    match tree:
        case Primitive(kind=kind):
            return isinstance(value, _PYTHON[kind]) and (kind == "boolean") == isinstance(value, bool)
        case Fixed(size=size):
            return isinstance(value, bytes) and len(value) == size
        case Enum(symbols=symbols):
            return isinstance(value, str) and value in symbols
        case Array():
            return isinstance(value, list)
        case Map():
            return isinstance(value, dict)
        case Record(fields=fields):
            return isinstance(value, dict) and value.keys() == {item.name for item in fields}
        case Union():
            return False  # Avro: a union holds no union
        case _:
            assert_never(tree)


def _words(tree: Type) -> str:
    match tree:
        case Union(branches=branches):
            return _either(branches)
        case Enum(symbols=symbols):
            return f"one of {', '.join(symbols)}"
        case Array():
            return "a list"
        case Map() | Record():
            return "an object"
        case Primitive() | Fixed():
            return _words_plain(tree)
        case _:
            assert_never(tree)


def _words_plain(tree: Primitive | Fixed) -> str:
    logical = tree.logical
    if logical is not None and logical.name == "decimal":
        whole = logical.precision - logical.scale
        return (
            f'a decimal in quotes such as "150.00", at most {whole} digits before the point and {logical.scale} after'
        )
    if isinstance(tree, Fixed):
        return f"base64 text of {tree.size} bytes"
    if logical is not None and logical.name == "timestamp-millis":
        return "a time with its offset, such as 2026-11-22T10:00:00.000Z"
    return _WORDS[tree.kind]


def _either(branches: Iterable[Type]) -> str:
    return " or ".join(_words(branch) for branch in branches)


def _nearest(key: Any, names: list[str]) -> str:
    near = difflib.get_close_matches(str(key), names, n=1)
    return near[0] if near else f"one of {', '.join(names)}"


def _joined(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _want(right: bool, path: str, wanted: str) -> None:
    if not right:
        _refuse(path, wanted)


def _refuse(path: str, wanted: str) -> Never:
    raise InvalidEvent(path, wanted)
