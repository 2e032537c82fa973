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

import base64
import binascii
import difflib
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from workers.edges.avro.json_text import decimal_bytes, decimal_text, time_millis, time_text
from workers.edges.avro.schema_tree import Array, Enum, Field, Fixed, Logical, Map, Primitive, Record, Type, Union

T = TypeVar("T")
_LIMITS: Final = {"int": 1 << 31, "long": 1 << 63}
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_DEFAULT: Final = Logical("code-points")  # bytes in a schema's default: each character stands for one byte


class InvalidEvent(ValueError):  # noqa: N818 - a fact about an event, not an error's name
    """A JSON event that its schema does not take; the text never holds the value that was given."""

    def __init__(self, path: str, wanted: str, fault: str = "") -> None:
        """``path`` is such as ``order.lines[2].unit_price``; empty: the event as a whole."""
        super().__init__(f"{path or 'the event'}: {fault}wanted {wanted}")
        self.path = path
        self.wanted = wanted


def from_json(tree: Record, event: Any) -> dict[str, Any]:
    """Turn a parsed JSON event into its raw Avro form; raises `InvalidEvent` for the first fault."""
    return _take_record(tree, event, "")


def to_json(tree: Record, event: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a raw Avro event into values that JSON can hold; `from_json` makes the same event of them.

    A field that is left out has its default, as where the event is encoded.
    """
    return _give_record(tree, event)


def default_of(item: Field, path: str = "") -> Any:
    """Give a fresh copy of a field's default in its raw form; raises `InvalidEvent` when its type does not take it."""
    return _take(_as_default(item.type), item.default, path or item.name)


def _as_default(tree: Type) -> Type:  # noqa: PLR0911 - one return for each kind of type
    """Give the type that a default in a schema is of: without logical types, and a union's first branch alone."""
    match tree:
        case Primitive(kind="bytes") | Fixed():
            return replace(tree, logical=_DEFAULT)
        case Primitive():
            return replace(tree, logical=None)
        case Array(items=items):
            return Array(_as_default(items))
        case Map(values=values):
            return Map(_as_default(values))
        case Union(branches=branches):
            return _as_default(branches[0])
        case Record(fields=fields):
            return replace(tree, fields=tuple(replace(item, type=_as_default(item.type)) for item in fields))
        case Enum():
            return tree


def _take_null(tree: Primitive, value: Any, path: str) -> None:
    _want(value is None, path, tree)


def _take_boolean(tree: Primitive, value: Any, path: str) -> Any:
    _want(isinstance(value, bool), path, tree)
    return value


def _take_whole(tree: Primitive, value: Any, path: str) -> Any:
    limit = _LIMITS[tree.kind]
    _want(isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit, path, tree)
    return value


def _take_number(tree: Primitive, value: Any, path: str) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    _want(isinstance(value, int | float) and not isinstance(value, bool), path, tree)
    try:
        number = float(value)
        return number if tree.kind == "double" else float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        raise InvalidEvent(path, _words(tree)) from None


def _take_text(tree: Primitive, value: Any, path: str) -> str:
    _want(isinstance(value, str), path, tree)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEvent(path, "text of whole Unicode characters (it holds half a surrogate pair)") from None
    return str(value)


def _take_time(tree: Primitive, value: Any, path: str) -> int:
    return _found(time_millis(value), path, tree)


def _take_decimal(tree: Primitive | Fixed, value: Any, path: str) -> bytes:
    assert tree.logical is not None
    size = tree.size if isinstance(tree, Fixed) else None
    return _found(decimal_bytes(value, tree.logical.precision, tree.logical.scale, size), path, tree)


def _take_base64(tree: Primitive | Fixed, value: Any, path: str) -> bytes:
    try:
        taken = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        taken = None
    return _of_size(tree, taken, path)


def _take_code_points(tree: Primitive | Fixed, value: Any, path: str) -> bytes:
    try:
        taken = value.encode("iso-8859-1") if isinstance(value, str) else None
    except UnicodeEncodeError:
        taken = None
    return _of_size(tree, taken, path)


def _of_size(tree: Primitive | Fixed, taken: bytes | None, path: str) -> bytes:
    _want(not (isinstance(tree, Fixed) and taken is not None and len(taken) != tree.size), path, tree)
    return _found(taken, path, tree)


def _take_enum(tree: Enum, value: Any, path: str) -> str:
    _want(isinstance(value, str) and value in tree.symbols, path, tree)
    return str(value)


def _take_array(tree: Array, value: Any, path: str) -> list[Any]:
    _want(isinstance(value, list), path, tree)
    return [_take(tree.items, item, f"{path}[{number}]") for number, item in enumerate(value)]


def _take_map(tree: Map, value: Any, path: str) -> dict[str, Any]:
    _want(isinstance(value, dict), path, tree)
    return {_take_text(_KEY, key, path): _take(tree.values, item, f"{path}.{key}") for key, item in value.items()}


def _take_record(tree: Record, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidEvent(path, f"an object with the fields of {tree.name.rpartition('.')[2]}")
    names = [item.name for item in tree.fields]
    for key in value:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            raise InvalidEvent(_joined(path, key), near[0] if near else f"one of {', '.join(names)}", "no such field; ")
    return {item.name: _take_field(item, value, _joined(path, item.name)) for item in tree.fields}


def _take_field(item: Field, value: Mapping[str, Any], path: str) -> Any:
    if item.name in value:
        return _take(item.type, value[item.name], path)
    if not item.has_default:
        raise InvalidEvent(path, _words(item.type), "missing; ")
    return default_of(item, path)


def _take_union(tree: Union, value: Any, path: str) -> Any:
    fitting = [branch for branch in tree.branches if (branch == _NULL) == (value is None)]
    if len(fitting) == 1:
        return _take(fitting[0], value, path)
    for branch in fitting:
        try:
            return _take(branch, value, path)
        except InvalidEvent:
            continue
    raise InvalidEvent(path, _words(tree))


def _give_same(_tree: Type, value: Any) -> Any:
    return value


def _give_number(_tree: Type, value: float) -> Any:
    if math.isfinite(value):
        return value
    return next(text for text, number in _NOT_FINITE.items() if str(number) == str(value))


def _give_time(_tree: Type, value: int) -> Any:
    return time_text(value)


def _give_decimal(tree: Primitive | Fixed, value: bytes) -> str:
    assert tree.logical is not None
    return decimal_text(value, tree.logical.scale)


def _give_base64(_tree: Type, value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _give_array(tree: Array, value: Sequence[Any]) -> list[Any]:
    return [_give(tree.items, item) for item in value]


def _give_map(tree: Map, value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _give(tree.values, item) for key, item in value.items()}


def _give_record(tree: Record, value: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: _give_field(item, value) for item in tree.fields}


def _give_field(item: Field, value: Mapping[str, Any]) -> Any:
    is_left_out = item.has_default and item.name not in value
    return _give(item.type, default_of(item) if is_left_out else value[item.name])


def _give_union(tree: Union, value: Any) -> Any:
    return _give(next(branch for branch in tree.branches if _holds(branch, value)), value)


class _Form(NamedTuple):
    """How the values of one kind of type look as JSON."""

    take: Callable[[Any, Any, str], Any]  # (type, JSON value, path) to the raw value; raises `InvalidEvent`
    give: Callable[[Any, Any], Any]  # (type, raw value) to the JSON value
    raw: type  # of raw values
    wanted: str = ""  # in words


_NULL: Final = Primitive("null")
_KEY: Final = Primitive("string")
_FORMS: Final[dict[str, _Form]] = {
    "null": _Form(_take_null, _give_same, type(None), "null"),
    "boolean": _Form(_take_boolean, _give_same, bool, "true or false"),
    "int": _Form(_take_whole, _give_same, int, "a whole number of 32 bits"),
    "long": _Form(_take_whole, _give_same, int, "a whole number of 64 bits"),
    "float": _Form(_take_number, _give_number, float, "a number of 32 bits"),
    "double": _Form(_take_number, _give_number, float, "a number"),
    "string": _Form(_take_text, _give_same, str, "text"),
    "bytes": _Form(_take_base64, _give_base64, bytes, "base64 text"),
    "fixed": _Form(_take_base64, _give_base64, bytes, "base64 text of its size"),
    "enum": _Form(_take_enum, _give_same, str),
    "array": _Form(_take_array, _give_array, list, "a list"),
    "map": _Form(_take_map, _give_map, dict, "an object"),
    "record": _Form(_take_record, _give_record, dict, "an object"),
    "union": _Form(_take_union, _give_union, object),
    "long timestamp-millis": _Form(
        _take_time, _give_time, int, "a time with its offset, such as 2026-11-22T10:00:00.000Z"
    ),
    "bytes decimal": _Form(_take_decimal, _give_decimal, bytes),
    "fixed decimal": _Form(_take_decimal, _give_decimal, bytes),
    "bytes code-points": _Form(_take_code_points, _give_base64, bytes, "text of the characters 0 to 255"),
    "fixed code-points": _Form(_take_code_points, _give_base64, bytes, "text of the characters 0 to 255"),
}
"""By the Avro type and, where the JSON differs for it, the logical type."""


def _form(tree: Type) -> _Form:
    name = tree.kind if isinstance(tree, Primitive) else type(tree).__name__.lower()
    logical = tree.logical if isinstance(tree, Primitive | Fixed) else None
    return _FORMS[name] if logical is None else _FORMS.get(f"{name} {logical.name}", _FORMS[name])


def _take(tree: Type, value: Any, path: str) -> Any:
    return _form(tree).take(tree, value, path)


def _give(tree: Type, value: Any) -> Any:
    return _form(tree).give(tree, value)


def _holds(tree: Type, value: Any) -> bool:
    """Whether a raw value may be of this branch of a union."""
    match tree:
        case Fixed(size=size):
            return isinstance(value, bytes) and len(value) == size
        case Enum(symbols=symbols):
            return value in symbols
        case Record(fields=fields):
            return isinstance(value, dict) and value.keys() == {item.name for item in fields}
        case _:
            return type(value) is _form(tree).raw


def _words(tree: Type) -> str:
    match tree:
        case Union(branches=branches):
            return " or ".join(_words(branch) for branch in branches)
        case Enum(symbols=symbols):
            return f"one of {', '.join(symbols)}"
        case Primitive() | Fixed() if tree.logical is not None and tree.logical.name == "decimal":
            whole, scale = tree.logical.precision - tree.logical.scale, tree.logical.scale
            return f'a decimal in quotes such as "150.00", at most {whole} digits before the point and {scale} after'
        case _:
            return _form(tree).wanted


def _joined(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _want(right: bool, path: str, tree: Type) -> None:
    if not right:
        raise InvalidEvent(path, _words(tree))


def _found(value: T | None, path: str, tree: Type) -> T:
    if value is None:
        raise InvalidEvent(path, _words(tree))
    return value
