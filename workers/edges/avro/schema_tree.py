"""An Avro schema as a tree of values: the codec, the JSON form, the compatibility check and the samples walk it.

Names are full (``orderrelay.v1.Order``) and every reference is replaced by the
type that it names, so a walk never looks a name up. A type that contains itself
has no such tree and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast, get_args

Kind: TypeAlias = Literal["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
KINDS: Final[frozenset[str]] = frozenset(get_args(Kind))


class SchemaError(ValueError):
    """A schema that Avro does not allow, or that the relay does not take; one line that names the field."""


@dataclass(frozen=True, slots=True)
class Logical:
    """An Avro logical type: what a value means beyond its bytes."""

    name: str  # decimal, timestamp-millis, ...
    precision: int = 0  # decimals: digits in all
    scale: int = 0  # decimals: digits after the point

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})" if self.name == "decimal" else self.name


@dataclass(frozen=True, slots=True)
class Primitive:
    kind: Kind
    logical: Logical | None = None

    def __str__(self) -> str:
        return str(self.logical or self.kind)


@dataclass(frozen=True, slots=True)
class Fixed:
    name: str
    size: int
    logical: Logical | None = None

    def __str__(self) -> str:
        return str(self.logical or self.name)


@dataclass(frozen=True, slots=True)
class Enum:
    name: str
    symbols: tuple[str, ...]
    default: str | None = None  # read instead of a symbol that the reader's enum lacks

    def __str__(self) -> str:
        return f"enum {self.name}"


@dataclass(frozen=True, slots=True)
class Array:
    items: Type

    def __str__(self) -> str:
        return f"array of {self.items}"


@dataclass(frozen=True, slots=True)
class Map:
    values: Type

    def __str__(self) -> str:
        return f"map of {self.values}"


@dataclass(frozen=True, slots=True)
class Union:
    branches: tuple[Type, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.branches))


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    has_default: bool = False
    default: Any = None  # JSON, as the schema gives it
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    fields: tuple[Field, ...]
    aliases: tuple[str, ...] = ()  # full names

    def __str__(self) -> str:
        return f"record {self.name}"


Type: TypeAlias = Primitive | Fixed | Enum | Array | Map | Union | Record
Named: TypeAlias = Fixed | Enum | Record
Attributes: TypeAlias = Callable[["Primitive | Fixed"], dict[str, Any]]


def parse(definition: Any, references: Iterable[Any] = ()) -> Type:
    """Turn a schema's JSON into its tree, with the types that ``references`` define; raises `SchemaError`."""
    walk = _Walk()
    for other in references:
        walk.parse(other, "", "")
    return walk.parse(definition, "", "")


def named_types(tree: Type) -> dict[str, Named]:
    """Every named type in a tree, by its full name."""
    found: dict[str, Named] = {}
    _collect(tree, found)
    return found


def _collect(tree: Type, found: dict[str, Named]) -> None:
    match tree:
        case Record() | Enum() | Fixed():
            if tree.name in found:
                return  # types used twice at each level would be walked an exponential number of times
            found[tree.name] = tree
            for item in tree.fields if isinstance(tree, Record) else ():
                _collect(item.type, found)
        case Array(items=inner) | Map(values=inner):
            _collect(inner, found)
        case Union(branches=branches):
            for branch in branches:
                _collect(branch, found)
        case Primitive():
            pass


@dataclass(frozen=True, slots=True)
class _Walk:
    """Parses one definition; ``names``: the named types so far, None while a definition is still open."""

    names: dict[str, Named | None] = field(default_factory=dict)

    def parse(self, definition: Any, namespace: str, path: str) -> Type:  # noqa: PLR0911 - one return for each kind
        if isinstance(definition, str):
            return self._named(definition, namespace, path)
        if isinstance(definition, list):
            return Union(tuple(self.parse(branch, namespace, path) for branch in definition))
        if not isinstance(definition, Mapping) or "type" not in definition:
            raise SchemaError(f"{path or 'the schema'}: wanted an Avro type")
        match definition["type"]:
            case "record" | "enum" | "fixed":
                return self._definition(definition, namespace, path)
            case "array":
                return Array(self.parse(_wanted(definition, "items", object, path), namespace, f"{path}[]"))
            case "map":
                return Map(self.parse(_wanted(definition, "values", object, path), namespace, f"{path}{{}}"))
            case str() as kind if kind in KINDS:
                return Primitive(cast("Kind", kind), _logical(definition))
            case inner:
                return self.parse(inner, namespace, path)

    def _named(self, name: str, namespace: str, path: str) -> Type:
        if name in KINDS:
            return Primitive(cast("Kind", name))
        full = _full(name, namespace)
        if full not in self.names:
            raise SchemaError(f"{path or 'the schema'}: no type named {full} is defined before it is used")
        known = self.names[full]
        if known is None:
            raise SchemaError(f"{path}: {full} contains itself, which the relay does not take")
        return known

    def _definition(self, definition: Mapping[str, Any], namespace: str, path: str) -> Named:
        name = self._open(definition, namespace, path)
        made: Named
        match definition["type"]:
            case "record":
                made = self._record(definition, name, path)
            case "enum":
                made = _enum(definition, name, path)
            case _:
                made = Fixed(name, _wanted(definition, "size", int, path), _logical(definition))
        self.names[name] = made
        return made

    def _record(self, definition: Mapping[str, Any], name: str, path: str) -> Record:
        inside = name.rpartition(".")[0]
        fields = tuple(self._field(item, inside, path) for item in _wanted(definition, "fields", list, path))
        aliases = tuple(_full(alias, inside) for alias in definition.get("aliases", ()))
        return Record(name, fields, aliases)

    def _field(self, item: Any, namespace: str, path: str) -> Field:
        name = _wanted(item, "name", str, path)
        here = f"{path}.{name}" if path else name
        tree = self.parse(_wanted(item, "type", object, here), namespace, here)
        return Field(name, tree, "default" in item, item.get("default"), tuple(item.get("aliases", ())))

    def _open(self, definition: Mapping[str, Any], namespace: str, path: str) -> str:
        full = _full(_wanted(definition, "name", str, path), definition.get("namespace", namespace))
        if full in self.names:
            raise SchemaError(f"{path or 'the schema'}: {full} is defined twice")
        self.names[full] = None
        return full


def _enum(definition: Mapping[str, Any], name: str, path: str) -> Enum:
    symbols = tuple(_wanted(definition, "symbols", list, path))
    default = definition.get("default")
    if default is not None and default not in symbols:
        raise SchemaError(f"{path or name}: the enum's default must be one of its symbols")
    return Enum(name, symbols, default)


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _wanted(definition: Any, key: str, kind: type, path: str) -> Any:
    value = definition.get(key) if isinstance(definition, Mapping) else None
    if value is None or not isinstance(value, kind):
        raise SchemaError(f"{path or 'the schema'}: wanted {key!r}")
    return value


def _logical(definition: Mapping[str, Any]) -> Logical | None:
    name = definition.get("logicalType")
    if not isinstance(name, str):
        return None
    if name != "decimal":
        return Logical(name)
    return Logical(name, int(definition.get("precision", 0)), int(definition.get("scale", 0)))


def no_attributes(_tree: Primitive | Fixed) -> dict[str, Any]:
    """Leave a type without logical type: timestamps stay ints, decimals their raw bytes."""
    return {}


def plain(tree: Type, attributes: Attributes = no_attributes, seen: set[str] | None = None) -> Any:  # noqa: C901, PLR0911 - one case for each kind
    """Give the schema's JSON with full names and without docs; ``attributes`` are added to primitives and fixeds."""
    seen = set() if seen is None else seen
    if isinstance(tree, Fixed | Enum | Record) and tree.name in seen:
        return tree.name
    match tree:
        case Primitive(kind=kind):
            more = attributes(tree)
            return {"type": kind, **more} if more else kind
        case Array(items=items):
            return {"type": "array", "items": plain(items, attributes, seen)}
        case Map(values=values):
            return {"type": "map", "values": plain(values, attributes, seen)}
        case Union(branches=branches):
            return [plain(branch, attributes, seen) for branch in branches]
        case Fixed(name=name, size=size):
            seen.add(name)
            return {"type": "fixed", "name": name, "size": size, **attributes(tree)}
        case Enum(name=name, symbols=symbols, default=default):
            seen.add(name)
            more = {} if default is None else {"default": default}
            return {"type": "enum", "name": name, "symbols": list(symbols), **more}
        case Record(name=name, fields=fields, aliases=aliases):
            seen.add(name)
            listed = [_plain_field(item, plain(item.type, attributes, seen)) for item in fields]
            return {"type": "record", "name": name, "aliases": list(aliases), "fields": listed}


def _plain_field(item: Field, definition: Any) -> dict[str, Any]:
    default = {"default": item.default} if item.has_default else {}
    return {"name": item.name, "type": definition, "aliases": list(item.aliases), **default}
