"""The codec: both framings, older and foreign writers, and bytes that no schema reads."""

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from workers.core.events import Created, Status
from workers.edges.avro.codec import Codec, Unencodable, UnknownSchema
from workers.edges.avro.framing import VALUE_SCHEMA_ID, SchemaId, schema_name
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable, SchemaMissing, WriterSchema
from workers.edges.avro.schema_files import Schemas, fingerprint, load, schema

SCHEMAS = load(Path(__file__).parents[3] / "schemas")
STATUS: dict[str, Any] = {
    "event_id": "e-1",
    "occurred_at": 1_763_800_000_000,
    "producer": "shop",
    "order_id": "Ö-1",
    "status": "paid",
    "reason": None,
    "website_id": -7,
}
CREATED: dict[str, Any] = {
    "event_id": "e-0",
    "occurred_at": 1_763_800_000_000,
    "producer": "",
    "order": {
        "order_id": "Ö-1",
        "placed_at": -1,
        "time_zone": None,
        "website_id": None,
        "status": "placed",
        "currency": "EUR",
        "total_value": b"\x16\xe3\x60",
        "returns_value": None,
        "customer": {"email": None, "phone": None, "crm_id": "c"},
        "lines": [],
        "attributes": [{"name": "channel", "value": "web"}],
        "delivery": None,
    },
}


@dataclass
class FakeRegistry:
    """Answers from a dictionary, and keeps the ids that it was asked for."""

    texts: dict[SchemaId, str | Exception] = field(default_factory=dict)
    asked: list[SchemaId] = field(default_factory=list)

    async def schema(self, schema_id: SchemaId) -> WriterSchema:
        self.asked.append(schema_id)
        answer = self.texts.get(schema_id, SchemaMissing(f"the registry does not know {schema_name(schema_id)}"))
        if isinstance(answer, Exception):
            raise answer
        return WriterSchema(answer)

    async def find(self, subject: str, text: str) -> SchemaId | None:
        assert subject == "order-status-value"
        return next((number for number, known in self.texts.items() if known == text), None)


def codec(registry: FakeRegistry | None = None, schemas: Schemas = SCHEMAS, clock: Any = lambda: 0.0) -> Codec:
    return Codec(schemas, clock, registry)  # type: ignore[arg-type]


def edited(topic: str, **fields: Any) -> str:
    """The topic's schema with top-level fields changed (None: taken out, new names: added)."""
    definition = json.loads(SCHEMAS[topic].today.text)
    kept = [item for item in definition["fields"] if item["name"] not in fields]
    added = [{"name": name, **made} for name, made in fields.items() if made is not None]
    return json.dumps({**definition, "fields": kept + added})


def framed(schema_id: int, text: str, data: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, json.loads(text), data)
    return b"\x00" + schema_id.to_bytes(4, "big") + stream.getvalue()


def test_an_event_in_single_object_encoding_decodes_to_the_same_event() -> None:
    """Without a registry; its order id is read alone as well."""
    ours = codec()
    status, created = ours.encode("order-status", STATUS), ours.encode("order-created", CREATED)
    assert status[:2] == b"\xc3\x01"
    assert status[2:10] == SCHEMAS["order-status"].today.fingerprint
    assert ours.decode("order-status", status) == Status("Ö-1", STATUS)  # type: ignore[arg-type]
    assert ours.decode("order-created", created) == Created("Ö-1", CREATED)  # type: ignore[arg-type]
    assert ours.head("order-status", status).order_id == ours.head("order-created", created).order_id == "Ö-1"
    assert ours.decode_any("order-status", status) == STATUS


def test_the_fingerprint_is_that_of_the_avro_specification() -> None:
    """CRC-64-AVRO of the canonical form, little-endian: the value that Avro's own test vectors give for "int"."""
    assert int.from_bytes(fingerprint('"int"'), "little") == 0x7275D51A3F395C8F


async def test_an_event_in_confluents_framing_decodes_to_the_same_event() -> None:
    """With a registry the value has the id of today's schema; another reader asks for the id and decodes."""
    registry = FakeRegistry({7: SCHEMAS["order-status"].today.text})
    writer, reader = codec(registry), codec(registry)
    await writer.prepare(["order-status"])
    value = writer.encode("order-status", STATUS)
    assert value[:5] == b"\x00\x00\x00\x00\x07"
    with pytest.raises(UnknownSchema) as unknown:
        reader.head("order-status", value)
    await reader.learn(unknown.value.schema_id)
    assert reader.decode("order-status", value) == Status("Ö-1", STATUS)  # type: ignore[arg-type]
    await reader.learn(7)
    assert registry.asked == [7]


async def test_both_framings_are_read_with_and_without_a_registry() -> None:
    """A codec with a registry reads single-object encoding; a codec without says why it cannot read Confluent's."""
    value = codec().encode("order-status", STATUS)
    assert codec(FakeRegistry()).decode("order-status", value).order_id == "Ö-1"
    with pytest.raises(Undecodable, match="SCHEMA_REGISTRY_URL is not set"):
        codec().decode("order-status", b"\x00\x00\x00\x00\x07abc")


GUID = UUID("2d5bd1e8-30a3-4ce6-a4b5-6d8b0f5c1f77")


@pytest.mark.parametrize(("named", "schema_id"), [(b"\x01" + GUID.bytes, GUID), (b"\x00\x00\x00\x00\x07", 7)])
async def test_a_schema_that_a_record_header_names_is_asked_for_and_the_bare_value_decodes(
    named: bytes, schema_id: SchemaId
) -> None:
    """Confluent Platform 8; the last header of that name counts, and the same id in front of a value is read beside."""
    text = SCHEMAS["order-status"].today.text
    ours = codec(FakeRegistry({schema_id: text, 7: text}))
    value, headers = framed(7, text, STATUS), ((VALUE_SCHEMA_ID, b"\x05"), (VALUE_SCHEMA_ID, named))
    with pytest.raises(UnknownSchema) as unknown:
        ours.head("order-status", value[5:], headers)
    await ours.learn(unknown.value.schema_id)
    await ours.learn(7)
    assert unknown.value.schema_id == schema_id
    assert ours.head("order-status", value[5:], headers).order_id == "Ö-1"
    assert ours.decode_any("order-status", value[5:], headers) == ours.decode_any("order-status", value) == STATUS
    assert ours.fault_at("order-status", value[5:-1], headers) == len(value) - 6


async def test_a_guid_that_the_registry_does_not_have_is_undecodable_by_name() -> None:
    """Registries before Confluent Platform 8 have none."""
    ours, headers = codec(FakeRegistry()), ((VALUE_SCHEMA_ID, b"\x01" + GUID.bytes),)
    await ours.learn(GUID)
    with pytest.raises(Undecodable, match=f"does not know schema GUID {GUID}"):
        ours.head("order-status", GOOD[10:], headers)


async def test_no_event_is_encoded_with_an_unregistered_schema() -> None:
    """A value never has an id that the registry did not give."""
    ours = codec(FakeRegistry())
    with pytest.raises(RegistryRefused, match="relay topics apply"):
        await ours.prepare(["order-status"])
    with pytest.raises(RuntimeError, match="prepare"):
        ours.encode("order-status", STATUS)


async def test_no_record_is_undecodable_while_the_registry_is_unreachable() -> None:
    """The id stays unknown, so the record waits; once the registry answers, it decodes."""
    text = SCHEMAS["order-status"].today.text
    registry = FakeRegistry({7: RegistryUnavailable("down")})
    ours = codec(registry)
    value = framed(7, text, STATUS)
    with pytest.raises(RegistryUnavailable):
        await ours.learn(7)
    with pytest.raises(UnknownSchema):
        ours.decode("order-status", value)
    registry.texts[7] = text
    await ours.learn(7)
    assert ours.decode("order-status", value).order_id == "Ö-1"


async def test_an_id_that_the_registry_does_not_have_is_undecodable_for_a_minute() -> None:
    """Then the codec asks again: a schema may be registered late."""
    now = [0.0]
    ours = codec(FakeRegistry(), clock=lambda: now[0])
    await ours.learn(9)
    with pytest.raises(Undecodable, match="does not know schema id 9"):
        ours.head("order-status", b"\x00\x00\x00\x00\x09")
    now[0] = 60.0
    with pytest.raises(UnknownSchema):
        ours.head("order-status", b"\x00\x00\x00\x00\x09")


def nested(depth: int) -> str:
    inner: Any = "int"
    for _ in range(depth):
        inner = {"type": "array", "items": inner}
    return edited("order-status", deep={"type": inner})


async def test_types_used_twice_at_each_level_are_read_in_no_time() -> None:
    """Sixty levels: walked without a memory, 2 ** 60 types."""
    levels: dict[str, Any] = {"level0": {"type": {"type": "record", "name": "L0", "fields": []}}}
    for number in range(1, 60):
        fields = [{"name": name, "type": f"L{number - 1}"} for name in ("one", "two")]
        levels[f"level{number}"] = {"type": {"type": "record", "name": f"L{number}", "fields": fields}}
    text = edited("order-status", **levels)
    ours = codec(FakeRegistry({7: text}))
    await ours.learn(7)
    assert ours.head("order-status", framed(7, SCHEMAS["order-status"].today.text, STATUS)).order_id == "Ö-1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"type": "record"', "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        (nested(340), "cannot be compared|nested too deeply"),
        ('{"type": "record", "name": "OrderStatus", "fields": [], "aliases": 5}', "not an Avro schema"),
        ('"string"', "wanted a record"),
        ('{"type": "record", "name": "Other", "fields": []}', "holds a Other, and the topic takes OrderStatus"),
        (RegistryRefused("schema id 7 is a PROTOBUF schema, and the relay reads Avro"), "a PROTOBUF schema"),
        (edited("order-status", occurred_at={"type": "long"}), "occurred_at: written as long"),
        (
            edited("order-status", occurred_at={"type": {"type": "long", "logicalType": "timestamp-micros"}}),
            "occurred_at: written as timestamp-micros, and the topic takes timestamp-millis",
        ),
    ],
)
async def test_a_foreign_writer_schema_is_undecodable_with_a_reason(text: str | Exception, reason: str) -> None:
    """The reason names the difference; amounts and times are never read with another meaning."""
    ours = codec(FakeRegistry({7: text}))
    await ours.learn(7)
    with pytest.raises(Undecodable, match=reason):
        ours.decode("order-status", b"\x00\x00\x00\x00\x07" + b"\x00" * 20)


async def test_money_of_another_scale_is_refused() -> None:
    """1.50 at scale 2 is never read as 0.0150."""
    text = SCHEMAS["order-created"].today.text.replace('"scale": 4', '"scale": 2')
    ours = codec(FakeRegistry({7: text}))
    await ours.learn(7)
    with pytest.raises(Undecodable, match=r"order.total_value: written as decimal\(18,2\)"):
        ours.decode(
            "order-created", framed(7, text, {**CREATED, "order": {**CREATED["order"], "total_value": b"\x01"}})
        )


async def test_records_of_older_and_newer_writers_are_read_as_todays_schema() -> None:
    """A field that the writer lacks takes its default; a field that only the writer has is dropped."""
    text = edited("order-status", reason=None, producer=None, weather={"type": "string"})
    ours = codec(FakeRegistry({7: text}))
    await ours.learn(7)
    value = framed(7, text, {**STATUS, "weather": "rain"})
    assert ours.decode_any("order-status", value) == {**STATUS, "producer": ""}
    assert ours.head("order-status", value).order_id == "Ö-1"


async def test_a_symbol_that_todays_schema_lacks_is_undecodable_and_its_field_is_named() -> None:
    """Records of that writer with known symbols are read."""
    text = SCHEMAS["order-status"].today.text.replace('"canceled"]', '"canceled", "lost"]')
    ours = codec(FakeRegistry({7: text}))
    await ours.learn(7)
    assert ours.decode_any("order-status", framed(7, text, STATUS)) == STATUS
    with pytest.raises(Undecodable, match="it differs in status"):
        ours.decode("order-status", framed(7, text, {**STATUS, "status": "lost"}))


async def test_the_order_id_is_found_under_a_former_name() -> None:
    """The schema has the writer's name of the field as an alias; such a value is decoded whole."""
    today = schema(edited("order-status", order_id={"type": "string", "aliases": ["order"]}))
    text = edited("order-status", order_id=None, order={"type": "string"})
    topic = replace(SCHEMAS["order-status"], today=today)
    ours = codec(FakeRegistry({7: text}), {"order-status": topic})
    await ours.learn(7)
    assert ours.head("order-status", framed(7, text, {**STATUS, "order": "A"})).order_id == "A"


def test_a_recorded_former_version_is_still_read() -> None:
    """A value whose fingerprint only the history has decodes as today's schema."""
    former = schema(edited("order-status", website_id=None))
    topic = SCHEMAS["order-status"]
    ours = codec(schemas={"order-status": replace(topic, history=(former, topic.today))})
    stream = io.BytesIO(b"\xc3\x01" + former.fingerprint)
    stream.seek(10)
    fastavro.schemaless_writer(stream, json.loads(former.text), STATUS)
    assert ours.decode_any("order-status", stream.getvalue()) == {**STATUS, "website_id": None}


def test_an_event_of_another_topic_is_undecodable() -> None:
    """The reason names the record that it is."""
    value = codec().encode("order-status", STATUS)
    with pytest.raises(Undecodable, match="holds a OrderStatus, and the topic takes OrderCreated"):
        codec().decode("order-created", value)


GOOD = codec().encode("order-status", STATUS)
PERSONAL = GOOD.replace(b"\x08shop", b"\x08\xff\xffop")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "begins neither"),
        (b'{"order_id": 1}', "begins neither"),
        (b"\xc3\x02" + GOOD[2:], "no known framing"),
        (GOOD[:9], "cut short"),
        (GOOD[:2] + b"12345678" + GOOD[10:], "fingerprint 3132333435363738"),
        (GOOD + b"\x00", "bytes are left over"),
        (PERSONAL, "not UTF-8"),
        (GOOD[:10] + b"\x07" + GOOD[11:], "cut short"),
        (GOOD[:10] + b"\xff" * 12, "cut short"),
        (GOOD[:-4] + b"\x08" + GOOD[-3:], "enum"),
        (GOOD[:-4] + b"\x01" + GOOD[-3:], "enum"),
        (GOOD[:-3] + b"\x06" + GOOD[-2:], "union"),
    ],
)
def test_bad_bytes_are_undecodable_with_a_reason(value: bytes, reason: str) -> None:
    """One line without any data of the record."""
    with pytest.raises(Undecodable, match=reason) as undecodable:
        codec().decode("order-status", value)
    assert "\n" not in undecodable.value.detail
    assert "shop" not in undecodable.value.detail


def test_every_truncation_is_undecodable() -> None:
    """No prefix of a value decodes."""
    for topic, data in (("order-status", STATUS), ("order-created", CREATED)):
        value = codec().encode(topic, data)
        for length in range(len(value)):
            with pytest.raises(Undecodable):
                codec().decode(topic, value[:length])


def test_the_order_id_is_read_although_the_rest_is_broken() -> None:
    """So an undecodable record still blocks its order."""
    assert codec().head("order-status", GOOD[:-3]).order_id == "Ö-1"


def test_data_that_does_not_fit_is_not_encoded() -> None:
    """The error names the topic and holds no data."""
    with pytest.raises(Unencodable, match="order-status") as refused:
        codec().encode("order-status", {**STATUS, "order_id": 5})
    assert "e-1" not in str(refused.value)
    with pytest.raises(Unencodable):
        codec().encode("order-status", {**STATUS, "status": "lost"})
