"""Decodes the records of one writer schema: fastavro reads them, and this module refuses what fastavro accepts.

Refused are bytes left over, a decimal of more digits than its schema allows, an
``int`` of more than 32 bits, and a negative index of an enum. Values are in
their raw form: timestamps as ints, decimals as bytes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import fastavro
from fastavro.read import LOGICAL_READERS

from workers.edges.avro.schema_tree import Fixed, Primitive, Record, Type, plain

_DECIMAL: Final = "checked-decimal"
_INT: Final = "checked-int"
_INT_LIMIT: Final = 1 << 31
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (UnicodeDecodeError, "a text is not UTF-8"),
    (KeyError, "an enum holds no symbol of its schema"),
    (EOFError, "cut short"),
)


class Malformed(ValueError):  # noqa: N818 - a fact about bytes
    """The bytes are no record of the schema; the reason holds nothing of them."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        """``offset``: how far the value was read."""
        super().__init__(reason)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes the records of one writer schema."""

    schema: Any  # fastavro's parsed form, with the checks below in it

    def read(self, value: bytes, start: int) -> Any:
        """Decode the record that ``value`` holds from ``start`` to its end; raises `Malformed`."""
        stream = io.BytesIO(value)
        stream.seek(start)
        content = self._read(stream)
        if stream.tell() != len(value):
            raise Malformed("bytes are left over after the record", stream.tell())
        return content

    def read_prefix(self, value: bytes, start: int) -> Any:
        """Decode the record that begins at ``start``, whatever follows it; raises `Malformed`."""
        stream = io.BytesIO(value)
        stream.seek(start)
        return self._read(stream)

    def _read(self, stream: io.BytesIO) -> Any:
        try:
            return fastavro.schemaless_reader(stream, self.schema, None)
        except Malformed as error:
            raise Malformed(str(error), stream.tell()) from None
        except Exception as error:  # noqa: BLE001 - whatever fastavro's walk trips over
            offset = stream.tell()
            raise Malformed(_reason(error, stream), offset) from None  # fastavro's error may hold what the record says


def decoder_of(tree: Record) -> Decoder:
    """Prepare the decoding of a writer's records, once for all of them."""
    named: dict[str, Any] = {}
    schema = fastavro.parse_schema(plain(tree, _checks), named_schemas=named)
    for one in named.values():
        if one["type"] == "enum":  # fastavro looks symbols up by index, and a list takes -1 for its last one
            one["symbols"] = dict(enumerate(one["symbols"]))
    return Decoder(schema)


def cut_off_behind(tree: Record, path: Sequence[str]) -> Record | None:
    """Cut a schema off behind one of its text fields, given by its path; None: the schema has no such field."""
    for number, item in enumerate(tree.fields):
        if [item.name] == list(path[:1]):
            inner = _text_at(item.type, path[1:])
            return None if inner is None else replace(tree, fields=(*tree.fields[:number], replace(item, type=inner)))
    return None


def _text_at(tree: Type, path: Sequence[str]) -> Type | None:
    if path:
        return cut_off_behind(tree, path) if isinstance(tree, Record) else None
    return tree if isinstance(tree, Primitive) and tree.kind == "string" else None


def _reason(error: Exception, stream: io.BytesIO) -> str:
    if isinstance(error, IndexError):  # a number is cut short, or a union has no branch of that index
        return "a union holds none of its branches" if stream.read(1) else "cut short"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "not as its schema says")


def _checks(tree: Primitive | Fixed) -> dict[str, Any]:
    """Give the attributes by which fastavro calls the checks below (its custom logical types)."""
    if tree.logical is not None and tree.logical.name == "decimal" and tree.logical.precision:
        precision = tree.logical.precision
        return {"logicalType": _DECIMAL, "precision": precision, "limit": 10**precision}
    if isinstance(tree, Primitive) and tree.kind == "int":
        return {"logicalType": _INT}
    return {}


def _check_decimal(data: Any, schema: Any, _reader_schema: Any = None) -> Any:
    """Refuse an amount of too many digits: a vendor would be sent an amount that its publisher could not mean."""
    limit = schema["limit"]
    if not -limit < int.from_bytes(data, "big", signed=True) < limit:
        raise Malformed(f"a decimal has more than {schema['precision']} digits")
    return data


def _check_int(data: Any, _schema: Any = None, _reader_schema: Any = None) -> Any:
    if not -_INT_LIMIT <= data < _INT_LIMIT:
        raise Malformed("a number is over 32 bits")
    return data


LOGICAL_READERS[f"bytes-{_DECIMAL}"] = LOGICAL_READERS[f"fixed-{_DECIMAL}"] = _check_decimal
LOGICAL_READERS[f"int-{_INT}"] = _check_int
