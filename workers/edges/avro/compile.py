"""One Python function per writer schema, made once, that decodes its records.

fastavro walks the schema anew for every value. A function that has the schema
written out in it takes half the time for an order, and it refuses what fastavro
lets pass: a negative index of an enum, bytes left over. It gives plain values,
as fastavro does for a schema without logical types; a test holds them equal.

In the code made, ``b`` is the value, ``i`` where it is read, ``j`` where a text
ends, ``n`` the number just read, still zigzag: an even ``n`` is ``n >> 1``, an
odd one is negative. A slice beyond the end is short without an error, so every
function ends by comparing ``i`` with the length: without that a record cut
short would pass.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from workers.edges.avro.schema_tree import Array, Enum, Fixed, Logical, Map, Primitive, Record, Type, Union

Decode: TypeAlias = Callable[[bytes, int], Any]  # (value, where the record begins)


class Malformed(ValueError):  # noqa: N818 - a fact about bytes
    """The bytes are no record of the schema; the reason holds nothing of them."""


def compile_record(tree: Record) -> Decode:
    """Make the function that decodes a whole record, to the last byte; it raises `Malformed`."""
    code = _Code()
    result = code.value(tree)
    code.line("if i != len(b):")
    code.line("    raise Malformed('cut short' if i > len(b) else 'bytes are left over after the record')")
    return code.function(result)


def compile_prefix(tree: Record, path: Sequence[str]) -> Decode:
    """Make the function that decodes one field, given by its path through records, and nothing after it."""
    code = _Code()
    for name in path:
        for item in tree.fields:
            if item.name == name:
                break
            code.value(item.type)
        inner = item.type
        if isinstance(inner, Record):
            tree = inner
    result = code.value(inner)
    code.line("if i > len(b):")
    code.line("    raise Malformed('cut short')")
    return code.function(result)


def _number(b: bytes, i: int, bits: int = 64) -> tuple[int, int]:
    """Read a number, still zigzag, from ``b[i]`` on."""
    n = shift = 0
    while True:
        byte = b[i]
        i += 1
        n |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the bit that says more bytes follow
            break
        shift += 7
        if shift > bits:
            raise Malformed("a number is too long")
    if n >> bits:
        raise Malformed(f"a number is over {bits} bits")
    return n, i


def _size(b: bytes, i: int) -> tuple[int, int]:
    """Read a length, never negative, never beyond the end; returns where the bytes end and where they begin."""
    n, i = _number(b, i)
    if n & 1:
        raise Malformed("a length is negative")
    if n >> 1 > len(b) - i:
        raise Malformed("cut short")
    return i + (n >> 1), i


def _count(b: bytes, i: int) -> tuple[int, int]:
    """Read how many items of a list follow; a negative count is followed by their size in bytes."""
    n, i = _number(b, i)
    if n & 1:
        _, i = _size(b, i)
        n += 1  # zigzag: -k is 2k - 1
    if n >> 1 > len(b) - i:  # every item takes a byte or more: a huge count must not run for hours
        raise Malformed("a list is longer than the record")
    return n >> 1, i


_ENVIRONMENT = {
    "Malformed": Malformed,
    "number": _number,
    "size": _size,
    "count": _count,
    "float_at": struct.Struct("<f").unpack_from,
    "double_at": struct.Struct("<d").unpack_from,
    "struct_error": struct.error,
    "booleans": {0: False, 1: True},
    "signed": int.from_bytes,
}


@dataclass(slots=True)
class _Code:
    """The lines of one function while it is written."""

    lines: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=lambda: dict(_ENVIRONMENT))
    indent: int = 2
    variables: int = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def variable(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def block(self, head: str) -> None:
        self.line(head)
        self.indent += 1

    def end(self) -> None:
        self.indent -= 1

    def function(self, result: str) -> Decode:
        body = "\n".join(self.lines)
        source = _FRAME.format(body=body, result=result)
        exec(compile(source, "<avro>", "exec"), self.names)  # noqa: S102 - made of a checked schema, by this file alone
        made: Decode = self.names["decode"]
        return made

    def value(self, tree: Type) -> str:
        """Write the lines that read a value; returns the expression that then holds it."""
        match tree:
            case Primitive(kind=kind, logical=logical):
                return self.precise(self.primitive(kind), logical)
            case Record(fields=fields):
                made = [f"{item.name!r}: {self.value(item.type)}" for item in fields]
                return self.hold("{" + ", ".join(made) + "}")
            case Enum(symbols=symbols):
                table = f"symbols{self.variables}"
                self.names[table] = {number * 2: symbol for number, symbol in enumerate(symbols)}
                self.raw()
                return self.hold(f"{table}[n]")
            case Fixed(size=size, logical=logical):
                self.line(f"j = i + {size}")
                return self.precise(self.up_to_j(), logical)
            case Array() | Map():
                return self.many(tree)
            case Union(branches=branches):
                return self.union(branches)
            case _:
                assert_never(tree)

    def hold(self, expression: str) -> str:
        name = self.variable()
        self.line(f"{name} = {expression}")
        return name

    def raw(self, bits: int = 64) -> None:
        self.line("n = b[i]; i += 1")
        self.line(f"if n > 127: n, i = number(b, i - 1, {bits})")

    def up_to_j(self, decode: str = "") -> str:
        name = self.variable()
        self.line(f"{name} = b[i:j]{decode}; i = j")
        return name

    def precise(self, name: str, logical: Logical | None) -> str:
        """A decimal of more digits than its schema allows is none: a vendor would be sent an amount nobody meant."""
        if logical is not None and logical.name == "decimal" and logical.precision:
            bound = 10**logical.precision
            self.line(f"if len({name}) > {bound.bit_length() // 8}:")  # fewer bytes cannot hold so many digits
            self.line(f"    if not -{bound} < signed({name}, 'big', signed=True) < {bound}:")
            self.line(f"        raise Malformed('a decimal has more than {logical.precision} digits')")
        return name

    def primitive(self, kind: str) -> str:
        match kind:
            case "string" | "bytes":
                self.line("n = b[i]")
                self.line("if n & 129: j, i = size(b, i)")
                self.line("else: i += 1; j = i + (n >> 1)")
                return self.up_to_j(".decode()" if kind == "string" else "")
            case "int" | "long":
                self.raw(32 if kind == "int" else 64)
                return self.hold("-(n + 1 >> 1) if n & 1 else n >> 1")
            case "boolean":
                name = self.hold("booleans[b[i]]")
                self.line("i += 1")
                return name
            case "float" | "double":
                name = self.hold(f"{kind}_at(b, i)[0]")
                self.line(f"i += {4 if kind == 'float' else 8}")
                return name
            case _:
                return "None"

    def many(self, tree: Array | Map) -> str:
        name, left = self.variable(), self.variable()
        self.line(f"{name} = " + ("[]" if isinstance(tree, Array) else "{}"))
        self.line(f"{left}, i = count(b, i)")
        self.block(f"while {left}:")
        self.block(f"for _ in range({left}):")
        if isinstance(tree, Array):
            self.line(f"{name}.append({self.value(tree.items)})")
        else:
            key = self.primitive("string")
            self.line(f"{name}[{key}] = {self.value(tree.values)}")
        self.end()
        self.line(f"{left}, i = count(b, i)")
        self.end()
        return name

    def union(self, branches: Sequence[Type]) -> str:
        name = self.variable()
        self.line("n = b[i]; i += 1")
        for number, branch in enumerate(branches):
            self.block(f"{'el' if number else ''}if n == {number * 2}:")
            self.line(f"{name} = {self.value(branch)}")
            self.end()
        self.line("else: raise Malformed('a union holds none of its branches')")
        return name


_FRAME = """
def decode(b, i):
    try:
{body}
    except IndexError:
        raise Malformed('cut short') from None
    except UnicodeDecodeError:
        raise Malformed('a text is not UTF-8') from None
    except KeyError:
        raise Malformed('an enum or a boolean holds no known value') from None
    except struct_error:
        raise Malformed('cut short') from None
    return {result}
"""
