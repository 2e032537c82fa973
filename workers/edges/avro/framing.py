"""Where a Kafka record names the schema of its value: in the value's first bytes, or in a record header.

Single-object encoding begins with ``C3 01`` and the fingerprint, Confluent's
wire format with ``00`` and an id at a registry. Confluent Platform 8 may write
``00`` and the id, or ``01`` and the schema's GUID, into the header
``__value_schema_id`` instead; the value is then bare Avro.
"""

from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from workers.core.record import Headers
from workers.edges.avro.reader import Undecodable

VALUE_SCHEMA_ID: Final = "__value_schema_id"
SINGLE_OBJECT: Final = b"\xc3\x01"
CONFLUENT: Final = b"\x00"
_GUID: Final = b"\x01"
_BYTES: Final = {SINGLE_OBJECT[:1]: 10, CONFLUENT: 5, _GUID: 17}  # of each form, by its first byte
_FOREIGN: Final = "apicurio.value."  # the headers of Apicurio's own serializers

SchemaId: TypeAlias = int | UUID
"""A schema's id or GUID at a registry."""


class Framing(NamedTuple):
    """What names the schema, as it stands on the wire, and where the Avro record begins in the value."""

    schema: bytes
    record_at: int

    @property
    def fingerprint(self) -> bytes | None:
        """CRC-64-AVRO of the schema; None: a registry's id names it."""
        return self.schema[2:] if self.schema[:1] == SINGLE_OBJECT[:1] else None

    @property
    def schema_id(self) -> SchemaId:
        """The id or GUID at the registry, of a schema that no fingerprint names."""
        named = self.schema[1:]
        return UUID(bytes=named) if self.schema[:1] == _GUID else int.from_bytes(named, "big")


def framing_of(value: bytes, headers: Headers = ()) -> Framing:
    """Find what names the value's schema; raises `Undecodable`.

    The record header goes before the value's first bytes, as in Confluent's deserializers.
    """
    named = _schema_header(headers) if headers else None
    if named is not None and named[:1] in (CONFLUENT, _GUID) and len(named) == _BYTES[named[:1]]:
        return Framing(named, 0)
    if value[:1] == CONFLUENT or value[:2] == SINGLE_OBJECT:
        length = _BYTES[value[:1]]
        if len(value) >= length:
            return Framing(value[:length], length)
    if value[:1] in (CONFLUENT, SINGLE_OBJECT[:1]):
        raise Undecodable("its header is cut short, or is of no known framing")
    raise Undecodable(
        "begins neither as Avro single-object encoding (C3 01) nor as Confluent's framing (00)" + _named_by(headers)
    )


def _schema_header(headers: Headers) -> bytes | None:
    return next((content for name, content in reversed(headers) if name == VALUE_SCHEMA_ID), None)


def schema_name(schema_id: SchemaId) -> str:
    """The schema in messages: ``schema id 7``, ``schema GUID ...``."""
    return f"schema {'GUID' if isinstance(schema_id, UUID) else 'id'} {schema_id}"


def _named_by(headers: Headers) -> str:
    """Which record header names the schema in a form that is not read."""
    found = (name for name, _ in headers if name == VALUE_SCHEMA_ID or name.startswith(_FOREIGN))
    name = next(found, None)
    return (
        "" if name is None else f"; its schema id is in the header {name[:100]}, in a form that the relay does not read"
    )
