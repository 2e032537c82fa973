"""What names the schema of a value: its first bytes, or a record header."""

from uuid import UUID

import pytest

from workers.edges.avro.framing import VALUE_SCHEMA_ID, framing_of
from workers.edges.avro.reader import Undecodable

FRAMED = b"\x00\x00\x00\x00\x07record"
GUID = UUID("2d5bd1e8-30a3-4ce6-a4b5-6d8b0f5c1f77")


def test_the_header_goes_before_the_first_bytes() -> None:
    """As in Confluent's deserializers; the value is then the record alone."""
    assert framing_of(FRAMED).schema_id == 7
    assert framing_of(FRAMED).record_at == 5
    framing = framing_of(FRAMED, ((VALUE_SCHEMA_ID, b"\x00\x00\x00\x00\x08"), (VALUE_SCHEMA_ID, b"\x01" + GUID.bytes)))
    assert (framing.schema_id, framing.record_at) == (GUID, 0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (VALUE_SCHEMA_ID, b"\x02" * 17),
        (VALUE_SCHEMA_ID, b"\x01short"),
        (VALUE_SCHEMA_ID, b""),
        (VALUE_SCHEMA_ID, None),
        ("apicurio.value.globalId", b"\x00" * 8),
    ],
)
def test_a_header_of_another_form_is_named_where_the_value_has_no_framing(name: str, content: bytes | None) -> None:
    """A framed value is read all the same."""
    headers = (("other", None), (name, content))
    with pytest.raises(Undecodable, match=f"its schema id is in the header {name}"):
        framing_of(b"\x48bare", headers)
    assert framing_of(FRAMED, headers).schema_id == 7
