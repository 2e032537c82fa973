"""Default values: from the JSON of a schema to the raw form that a reader would see."""

from __future__ import annotations

from typing import Any, Never, assert_never

from workers.edges.avro.schema_tree import Array, Enum, Field, Fixed, Map, Primitive, Record, SchemaError, Type, Union

_PYTHON: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "bytes": (str,),
    "string": (str,),
}
_BITS = {"int": 31, "long": 63}


def default_of(item: Field, path: str = "") -> Any:
    """Give a fresh copy of a field's default; raises `SchemaError` when its type does not take it."""
    return _raw(item.type, item.default, path or item.name)


def check_defaults(tree: Type, path: str = "") -> None:
    """Raise `SchemaError` for the first default in a schema that is not of its field's type."""
    match tree:
        case Record(fields=fields):
            for item in fields:
                here = f"{path}.{item.name}" if path else item.name
                check_defaults(item.type, here)
                if item.has_default:
                    default_of(item, here)
        case Array(items=inner) | Map(values=inner):
            check_defaults(inner, f"{path}[]")
        case Union(branches=branches):
            for branch in branches:
                check_defaults(branch, path)
        case Primitive() | Enum() | Fixed():
            pass
        case _:
            assert_never(tree)


def _raw(tree: Type, value: Any, path: str) -> Any:  # noqa: PLR0911 - one return for each kind of type
    match tree:
        case Primitive():
            return _primitive(tree, value, path)
        case Enum(symbols=symbols):
            return _checked(value in symbols, value, tree, path)
        case Fixed(size=size):
            return _bytes(value, tree, path) if len(str(value)) == size else _refuse(tree, path)
        case Array(items=items):
            listed = _checked(isinstance(value, list), value, tree, path)
            return [_raw(items, item, f"{path}[]") for item in listed]
        case Map(values=values):
            named = _checked(isinstance(value, dict), value, tree, path)
            return {key: _raw(values, item, f"{path}.{key}") for key, item in named.items()}
        case Record(fields=fields):
            named = _checked(isinstance(value, dict), value, tree, path)
            return {item.name: _of_field(item, named, path) for item in fields}
        case Union(branches=branches):
            return _of_first(branches[0], tree, value, path)
        case _:
            assert_never(tree)


def _of_first(branch: Type, union: Union, value: Any, path: str) -> Any:
    try:
        return _raw(branch, value, path)
    except SchemaError:
        _refuse(union, path)


def _of_field(item: Field, named: dict[str, Any], path: str) -> Any:
    if item.name in named:
        return _raw(item.type, named[item.name], f"{path}.{item.name}")
    return default_of(item) if item.has_default else _refuse(item.type, f"{path}.{item.name}")


def _primitive(tree: Primitive, value: Any, path: str) -> Any:
    right = isinstance(value, _PYTHON[tree.kind]) and (tree.kind == "boolean" or not isinstance(value, bool))
    _checked(right, value, tree, path)
    match tree.kind:
        case "bytes":
            return _bytes(value, tree, path)
        case "int" | "long" as kind:
            return _checked(-(1 << _BITS[kind]) <= value < 1 << _BITS[kind], value, tree, path)
        case "float" | "double":
            return float(value)
        case _:
            return value


def _bytes(value: Any, tree: Type, path: str) -> bytes:
    try:
        return str(value).encode("iso-8859-1")  # Avro: code points 0 to 255 stand for bytes
    except UnicodeEncodeError:
        _refuse(tree, path)


def _checked(right: bool, value: Any, tree: Type, path: str) -> Any:
    return value if right else _refuse(tree, path)


def _refuse(tree: Type, path: str) -> Never:
    first = " (a union's default is of its first branch)" if isinstance(tree, Union) else ""
    raise SchemaError(f"{path}: the default is not a value of its type, {tree}{first}")
