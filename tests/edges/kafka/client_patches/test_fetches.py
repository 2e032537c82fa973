"""What a consumer takes out of its fetches, by kafka-python as released and as patched.

A test of "the released client" fails when a release has mended that fault: its patch can go then.
"""

import uuid
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, StaleMetadata
from kafka.record.memory_records import MemoryRecords
from kafka.structs import OffsetAndMetadata

from tests.support.kafka_batches import AT, CODECS, batch, fetched
from tests.support.kafka_rig import Side
from workers.core.record import Partition
from workers.devkit.broker.broker import Broker
from workers.edges.kafka.client import KafkaConnection, open_client, producer_options
from workers.edges.kafka.client_patches.fetches import (
    RELEASED_OFFSETS,
    RELEASED_TAKE,
    DamagedError,
    release_drained_slot,
    search,
    wait_in_fetches,
)
from workers.edges.kafka.client_patches.install import patch_client
from workers.edges.kafka.reader import open_reader

ODD = b"\xff\xfe odd"


# A record that cannot be read.


def test_the_released_client_asks_a_used_up_fetch_again_for_ever() -> None:
    """It counts as full and gives nothing: `fetched_records` loops over it."""
    records = Fetcher.PartitionRecords(0, AT, MemoryRecords(batch()[:-1] + b"?"))
    with pytest.raises(CorruptRecordError):
        RELEASED_TAKE(records, 500)
    assert records
    assert RELEASED_TAKE(records, 500) == []
    assert records


@pytest.mark.broker
async def test_a_damaged_batch_stops_its_partition_by_name_and_no_other(
    broker: Broker, side: Side, topics: Any, join: Any
) -> None:
    topic = topics(partitions=2)
    for value in (b"good", b"damaged", b"behind"):
        side.produce(topic, [value])
    damage(broker.folder / "data" / f"{topic}-0" / f"{0:020}.log", b"damaged")
    source, witness = join(topic, [topic])
    partition = Partition(topic, 0)
    await witness.until(lambda: partition in witness.stops)
    assert "offset 1" in witness.stops[partition].reason
    assert "crc" in witness.stops[partition].reason
    side.produce(topic, [b"elsewhere"], number=1)
    await witness.until(lambda: b"elsewhere" in witness.values)
    assert witness.values == [b"good", b"elsewhere"]
    source.restart_at(witness.epoch, partition, 2)
    source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: b"behind" in witness.values)


@pytest.mark.broker
async def test_a_damaged_batch_of_a_partition_that_was_paused_is_named_too(
    broker: Broker, side: Side, topics: Any, join: Any
) -> None:
    """When a paused partition is resumed, kafka-python takes what it had fetched of it before."""
    topic = topics(partitions=1)
    partition = Partition(topic, 0)
    for value in (b"good", b"damaged"):
        side.produce(topic, [value])
    damage(broker.folder / "data" / f"{topic}-0" / f"{0:020}.log", b"damaged")
    source, witness = join(topic, [topic])
    await witness.until_begun(1)
    for _ in range(20):
        source.fetch_only(witness.epoch, frozenset({partition}), frozenset())
        source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: partition in witness.stops)
    assert "offset 1" in witness.stops[partition].reason


def damage(log: Path, value: bytes) -> None:
    """Change a byte of this value on the broker's disk: its batch's checksum is wrong from now on."""
    with log.open("r+b") as file:
        place = file.read().index(value)
        file.seek(place)
        file.write(value[:1].swapcase())


# A resumed partition that is not fetched.


def fetcher_with_a_used_up_slot() -> Any:
    """One whose partition has been resumed: what was fetched of it before waits beside the in-line slot."""
    subscriptions = SimpleNamespace(is_paused=lambda _: False, is_assigned=lambda _: False)
    fetcher = object.__new__(Fetcher)
    used_up, waiting = (Fetcher.PartitionRecords(0, AT, MemoryRecords(batch())) for _ in range(2))
    used_up.drain()
    fetcher._subscriptions = subscriptions
    fetcher._next_in_line_exception_metadata = None
    fetcher._next_partition_records = used_up
    fetcher._completed_fetches = deque()
    fetcher._paused_completed_fetches = {}
    fetcher._paused_partition_records = {AT: waiting}
    return fetcher


def test_the_released_client_does_not_put_back_what_a_resumed_partition_had_fetched() -> None:
    fetcher = fetcher_with_a_used_up_slot()
    fetcher.fetched_records(max_records=10)
    assert AT in fetcher._paused_partition_records


def test_what_a_resumed_partition_had_fetched_is_put_back() -> None:
    fetcher = fetcher_with_a_used_up_slot()
    release_drained_slot(SimpleNamespace(_fetcher=fetcher))
    fetcher.fetched_records(max_records=10)
    assert fetcher._paused_partition_records == {}


def test_a_poll_ends_with_the_partition_that_gave_enough_bytes() -> None:
    patch_client()
    fetcher = fetcher_with_a_used_up_slot()
    state = SimpleNamespace(position=OffsetAndMetadata(0, "", -1), highwater=None)
    fetcher._subscriptions = SimpleNamespace(
        is_paused=lambda _: False, is_assigned=lambda _: True, is_fetchable=lambda _: True, assignment={AT: state}
    )
    fetcher._sensors = None
    fetcher._paused_partition_records = {}
    fetcher._next_partition_records = fetched(batch(values=(b"x" * 500_000,) * 40, codec=4))
    found, _ = fetcher.fetched_records(max_records=500)
    assert len(found[AT]) == 3
    assert state.position.offset == 3


# A partition that the client's metadata lack.


def fetcher_that_knows_no_partition() -> Any:
    fetcher = object.__new__(Fetcher)
    fetcher._net = SimpleNamespace(run=lambda *_: {})
    return fetcher


def test_the_released_client_fails_at_a_partition_that_it_does_not_know() -> None:
    with pytest.raises(KeyError):
        RELEASED_OFFSETS(fetcher_that_knows_no_partition(), [AT], -1)


def test_a_partition_that_the_client_does_not_know_is_stale_metadata() -> None:
    patch_client()
    with pytest.raises(StaleMetadata, match="not known yet"):
        fetcher_that_knows_no_partition().end_offsets([AT])


# A search.


def found(packed: bytes, *wanted: bytes) -> list[bytes]:
    """The values that a search hands over, of a fetch that is read to its end."""
    patch_client()
    consumer = SimpleNamespace(_fetcher=SimpleNamespace(PartitionRecords=Fetcher.PartitionRecords))
    search(consumer, wanted)
    records = consumer._fetcher.PartitionRecords(0, AT, MemoryRecords(packed))
    values = [record.value for record in records.take(500)]
    assert not records, "it is used up, and its position is behind its last batch"
    return values


def test_a_search_passes_over_batches_that_hold_none_of_the_wanted_bytes() -> None:
    first, second, third = (batch(values=(name, b"other")) for name in (b"A-1", b"B-1", b"C-1"))
    assert found(first + second + third, b"B-1") == [b"B-1", b"other"]
    assert found(first + second + third, b"A-1", b"C-1") == [b"A-1", b"other", b"C-1", b"other"]
    assert found(first + second, b"Z") == []
    assert found(first + second) == [b"A-1", b"other", b"B-1", b"other"]


def test_a_search_finds_bytes_in_keys_and_headers_and_reads_packed_batches_whole() -> None:
    assert found(batch(("relay-order-id", b"A-1"), values=(b"x",)), b"A-1") == [b"x"]
    assert found(batch(values=(b"x",)), b"k") == [b"x"]
    long = (b"A" * 1_000, b"B" * 1_000)
    assert found(batch(values=long, codec=CODECS["gzip"]), b"nothing") == list(long)


@pytest.mark.broker
def test_a_search_goes_on_behind_transactions_committed_and_aborted(broker: Broker) -> None:
    topic = f"search-{uuid.uuid4().hex[:8]}"
    broker.create_topic(topic)
    connection = KafkaConnection(bootstrap=(broker.bootstrap,))
    producer = open_client(KafkaProducer, producer_options(connection, transactional_id=topic))
    producer.init_transactions()
    for value, ends in ((b"A-1", True), (b"B-1", False), (b"C-1", True), (b"A-1 again", True)):
        producer.begin_transaction()
        producer.send(topic, value=value, partition=0).get(10)
        (producer.commit_transaction if ends else producer.abort_transaction)()
    producer.close()
    with open_reader(connection) as reader:
        at = Partition(topic, 0)
        end = reader.bounds([at])[at].end
        for wanted, values in ((b"A-1", [b"A-1", b"A-1 again"]), (b"B-1", []), (b"C-1", [b"C-1"])):
            read = [one.value for records in reader.stretch(at, 0, end, (wanted,)) for one in records]
            assert read == values


def test_a_damaged_batch_is_not_passed_over() -> None:
    with pytest.raises(DamagedError):
        found(batch(values=(b"A-1",))[:-1] + b"?", b"Z")


def test_a_fetch_waits_longer_when_it_is_told_to_and_never_shorter_than_its_option() -> None:
    consumer = SimpleNamespace(config={"fetch_max_wait_ms": 500}, _fetcher=SimpleNamespace(config={}))
    waits = []
    for at_least_ms in (1_000, 0):
        wait_in_fetches(consumer, at_least_ms)
        waits.append(consumer._fetcher.config["fetch_max_wait_ms"])
    assert waits == [1_000, 500]
