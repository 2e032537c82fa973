"""Record batches and headers, by kafka-python as released and as patched.

A test of "the released client" fails when a release has mended that fault: its patch can go then.
"""

import random
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch

from tests.support.kafka_batches import CODECS, batch, fetched
from tests.support.kafka_rig import Side
from workers.app.events.json_lines import record_json
from workers.core.record import Record
from workers.edges.kafka.client import producer_options
from workers.edges.kafka.client_patches.batches import MAX_UNPACKED_BYTES, HeaderKey, producer_headers
from workers.edges.kafka.client_patches.fetches import DamagedError
from workers.edges.kafka.client_patches.install import patch_client

ODD = b"\xff\xfe odd"


# A header key that is no UTF-8.


def test_the_released_client_cannot_read_a_header_key_that_is_no_utf8() -> None:
    with pytest.raises(CorruptRecordError, match="UnicodeDecodeError"):
        list(DefaultRecordBatch(batch((HeaderKey.of(ODD), b"1"))))


def produce(side: Side, topic: str, *records: tuple[bytes, list[tuple[str, bytes]]]) -> None:
    with closing(KafkaProducer(**producer_options(side.connection))) as producer:
        for value, headers in records:
            producer.send(topic, partition=0, value=value, headers=headers)
        producer.flush(timeout=20)


def raw_keys(record: Any) -> list[bytes]:
    """As kafka-python's producer would write them."""
    return [key.encode("utf-8") for key, _ in record.headers]


@pytest.mark.broker
async def test_a_header_key_that_is_no_utf8_is_read_and_written_again_as_it_was(
    side: Side, topics: Any, join: Any
) -> None:
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


def test_a_header_key_that_is_no_utf8_is_shown_escaped_in_json() -> None:
    codec: Any = None  # a tombstone is not decoded
    record = Record("t", 0, 0, 0, b"k", None, ((HeaderKey.of(ODD), b"x"),))
    assert orjson.loads(orjson.dumps(record_json(codec, record)))["headers"] == {r"\xff\xfe odd": "x"}


# A batch that is small only while it is packed.


def peak(what: Callable[[], Any]) -> int:
    """Bytes that Python took at most while it ran."""
    tracemalloc.start()
    try:
        what()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_released_client_unpacks_a_whole_batch() -> None:
    packed = batch(values=(b"x" * 500_000,) * 40, codec=4)
    assert len(packed) < 10_000
    assert peak(lambda: next(DefaultRecordBatch(packed)._maybe_uncompress() or iter([0]))) > 20_000_000


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_batch_is_unpacked_a_part_at_a_time_and_handed_out_within_bytes(codec: int) -> None:
    patch_client()
    records = fetched(batch(values=(b"x" * 500_000,) * 40, codec=codec))
    assert peak(lambda: next(records.record_iterator)) < 3_000_000
    taken = []
    while records:
        more = records.take(500)
        assert len(more) <= 3
        taken += more
    assert [one.offset for one in taken] == list(range(1, 40))
    assert {one.value for one in taken} == {b"x" * 500_000}
    assert records.next_fetch_offset == 40


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_batch_of_small_records_is_read_as_the_released_client_reads_it(codec: int) -> None:
    patch_client()
    values = [random.Random(number).randbytes(number * 7 % 900) for number in range(2_000)]
    records = fetched(batch(("h", b"1"), values=tuple(values), codec=codec))
    taken = records.take(500)
    while records:
        taken += records.take(500)
    assert [one.value for one in taken] == values
    assert [one.headers for one in taken] == [[("h", b"1")]] * 2_000


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_record_that_unpacks_to_too_much_is_named(codec: int) -> None:
    patch_client()
    records = fetched(batch(values=(b"small", b"x" * (MAX_UNPACKED_BYTES + 1), b"behind"), codec=codec))
    assert [one.value for one in records.take(500)] == [b"small"]
    with pytest.raises(DamagedError, match=r"offset 1: .*unpacks to 2516\d+ bytes"):
        records.take(500)


@pytest.mark.broker
@pytest.mark.parametrize("name", CODECS)
async def test_a_partition_of_highly_compressible_batches_is_handed_over_in_small_pieces(
    side: Side, topics: Any, join: Any, name: str
) -> None:
    topic = topics(partitions=1, config={"max.message.bytes": 4_000_000})
    options = producer_options(side.connection) | {"compression_type": name, "linger_ms": 500, "batch_size": 2**24}
    with closing(KafkaProducer(**options)) as producer:
        for _ in range(40):
            producer.send(topic, value=b"x" * 500_000)
        producer.send(topic, value=b"y" * (MAX_UNPACKED_BYTES + 1))
        producer.flush(timeout=20)
    _, witness = join(topic, [topic])
    await witness.until(lambda: witness.stops)
    assert len(witness.records) == 40
    assert all(len(batch.records) <= 3 for found in witness.batches for batch in found.batches)
    (stop,) = witness.stops.values()
    assert "offset 40" in stop.reason
    assert "unpacks to" in stop.reason


# A header without a value: the patched client is tested in test_transactions.py.


def test_the_released_client_refuses_a_header_without_a_value() -> None:
    producer = SimpleNamespace(_closed=False, config={"api_version": (4, 0)})  # the check is made before it is used
    with pytest.raises(TypeError, match="headers"):
        KafkaProducer.send(producer, "orders", value=b"1", headers=[("empty", None)])


def test_headers_with_values_are_given_as_they_are() -> None:
    assert producer_headers((("a", b"1"),)) == [("a", b"1")]
