"""Records that are not as they should be, on a real broker: read where they can be, named where not."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from workers.app.events.record_json import record_json
from workers.core.record import Partition, Record

if TYPE_CHECKING:
    from tests.support.kafka_rig import Side
    from workers.devkit.broker.broker import Broker

pytestmark = pytest.mark.broker

ODD = b"\xff\xfe odd"


def produce(side: Side, topic: str, *records: tuple[bytes, list[tuple[str, bytes]]]) -> None:
    from kafka import KafkaProducer  # noqa: PLC0415 - imports kafka: after pytest_configure

    from workers.edges.kafka.client import producer_options  # noqa: PLC0415 - beside it

    with closing(KafkaProducer(**producer_options(side.connection))) as producer:
        for value, headers in records:
            producer.send(topic, partition=0, value=value, headers=headers)
        producer.flush(timeout=20)


def raw_keys(record: Any) -> list[bytes]:
    """As kafka-python's producer would write them."""
    return [key.encode("utf-8") for key, _ in record.headers]


async def test_a_header_key_that_is_no_utf8_is_read_and_written_again_as_it_was(
    side: Side, topics: Any, join: Any
) -> None:
    from workers.edges.kafka.client_patches import HeaderKey  # noqa: PLC0415 - imports kafka: after pytest_configure

    first, second = topics(partitions=1), topics(partitions=1)
    odd = HeaderKey.of(ODD)
    before, after = (b"before", [("a", b"1")]), (b"after", [("ünï", b"4"), (odd, b"5")])
    produce(side, first, before, (b"odd", [("b", b"2"), (odd, b"3"), ("c", b"\xff")]), after)
    _, witness = join(first, [first])
    await witness.until(lambda: len(witness.records) == 3)
    assert witness.values == [b"before", b"odd", b"after"]
    record = witness.records[1]
    assert [(str(key), value) for key, value in record.headers] == [
        ("b", b"2"),
        (r"\xff\xfe odd", b"3"),
        ("c", b"\xff"),
    ]
    assert raw_keys(witness.records[2]) == ["ünï".encode(), ODD]
    produce(side, second, (b"again", list(record.headers)))
    (again,) = side.read(second)
    assert raw_keys(again) == [b"b", ODD, b"c"]


async def test_a_damaged_batch_stops_its_partition_by_name_and_no_other(
    broker: Broker, side: Side, topics: Any, join: Any
) -> None:
    topic = topics(partitions=2)
    for value in (b"good", b"damaged", b"behind"):
        side.produce(topic, [value])
    damage(broker.folder / "data" / f"{topic}-0" / f"{0:020}.log", b"damaged")
    source, witness = join(topic, [topic])
    at = Partition(topic, 0)
    await witness.until(lambda: at in witness.stops)
    assert "offset 1" in witness.stops[at].reason
    assert "crc" in witness.stops[at].reason
    side.produce(topic, [b"elsewhere"], number=1)
    await witness.until(lambda: b"elsewhere" in witness.values)
    assert witness.values == [b"good", b"elsewhere"]
    source.restart_at(witness.epoch, at, 2)
    source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: b"behind" in witness.values)


async def test_a_damaged_batch_of_a_partition_that_was_paused_is_named_too(
    broker: Broker, side: Side, topics: Any, join: Any
) -> None:
    """What kafka-python keeps of a paused partition is asked for again when it is resumed."""
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    for value in (b"good", b"damaged"):
        side.produce(topic, [value])
    damage(broker.folder / "data" / f"{topic}-0" / f"{0:020}.log", b"damaged")
    source, witness = join(topic, [topic])
    await witness.until_begun(1)
    for _ in range(20):
        source.fetch_only(witness.epoch, frozenset({at}), frozenset())
        source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: at in witness.stops)
    assert "offset 1" in witness.stops[at].reason


def damage(log: Path, value: bytes) -> None:
    """Change a byte of this value on the broker's disk: its batch's checksum is wrong from now on."""
    with log.open("r+b") as file:
        place = file.read().index(value)
        file.seek(place)
        file.write(value[:1].swapcase())


def test_what_such_a_key_is_shown_as_is_json_for_machines_too() -> None:
    from workers.edges.kafka.client_patches import HeaderKey  # noqa: PLC0415 - imports kafka: after pytest_configure

    codec: Any = None  # a tombstone is not decoded
    record = Record("t", 0, 0, 0, b"k", None, ((HeaderKey.of(ODD), b"x"),))
    assert orjson.loads(orjson.dumps(record_json(codec, record)))["headers"] == {r"\xff\xfe odd": "x"}
