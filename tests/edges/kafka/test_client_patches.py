"""Each fault of kafka-python that the relay mends, on the client as released and on the patched one.

A test of "the released client" fails when a release has mended that fault: its part of `client_patches` can go then.
"""

import subprocess
import sys
from collections import deque
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import CorruptRecordError
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from tests.support.kafka_rig import Side
from workers.app.events.record_json import record_json
from workers.core.record import Partition, Record
from workers.devkit.broker.broker import Broker
from workers.edges.kafka.client import producer_options
from workers.edges.kafka.client_patches import (
    RELEASED_TAKE,
    HeaderKey,
    keep_join_requested,
    patch_client,
    producer_headers,
    release_drained_slot,
)

ODD = b"\xff\xfe odd"
AT = TopicPartition("orders", 0)


@pytest.mark.parametrize("version", ["3.0.11", "2.9.9", "3.1.0", "3.1.0.dev1", "4.0.12"])
def test_a_release_that_nobody_has_looked_at_is_refused(version: str) -> None:
    with pytest.raises(RuntimeError, match=r">=3\.0\.12,<3\.1"):
        patch_client(version)


def test_the_release_of_the_lock_and_its_later_fixes_are_taken() -> None:
    patch_client()
    patch_client("3.0.13")


# A header key that is no UTF-8.


def batch(*headers: tuple[str, bytes | None], key: bytes = b"k") -> bytes:
    """A record batch as a broker sends it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=10_000,
    )
    builder.append(0, timestamp=1, key=key, value=b"value", headers=list(headers))
    return bytes(builder.build())


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


# A record that cannot be read.


def test_the_released_client_asks_a_used_up_fetch_again_for_ever() -> None:
    """It counts as full and gives nothing: `fetched_records` loops over it."""
    records = Fetcher.PartitionRecords(0, AT, MemoryRecords(batch(key=b"k")[:-1] + b"?"))
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


# A password that changes: the patched client is tested in test_login.py.


def test_the_released_client_takes_no_function_as_password() -> None:
    mechanism = SaslMechanismPlain(sasl_plain_username="relay", sasl_plain_password=lambda: "now")
    with pytest.raises(TypeError):
        mechanism.auth_bytes()


# A header without a value: the patched client is tested in test_transactions.py.


def test_the_released_client_refuses_a_header_without_a_value() -> None:
    producer = SimpleNamespace(_closed=False, config={"api_version": (4, 0)})  # the check is made before it is used
    with pytest.raises(TypeError, match="headers"):
        KafkaProducer.send(producer, "orders", value=b"1", headers=[("empty", None)])


def test_headers_with_values_are_given_as_they_are() -> None:
    assert producer_headers((("a", b"1"),)) == [("a", b"1")]


# A constructor that fails.


def threads_after_a_failed_connection(make: str) -> int:
    """In a process of its own: kafka-python leaves refused sockets to the garbage, which would warn in a later test."""
    code = (
        "import threading, kafka\n"
        "from kafka.errors import KafkaError\n"
        "from workers.edges.kafka.client import *\n"
        "options = consumer_options(KafkaConnection(bootstrap=('127.0.0.1:9',))) | {'bootstrap_timeout_ms': 200}\n"
        "try:\n"
        f"    {make}\n"
        "except KafkaError:\n"
        "    print(threading.active_count(), flush=True)\n"
        "import os; os._exit(0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(ended.stdout)


def test_the_released_client_leaves_a_thread_when_it_cannot_connect() -> None:
    assert threads_after_a_failed_connection("kafka.KafkaConsumer(**options)") > 1


def test_a_client_that_cannot_connect_leaves_no_thread() -> None:
    assert threads_after_a_failed_connection("open_client(kafka.KafkaConsumer, options)") == 1


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


# A join that is forgotten.


def leader_that_revokes() -> Any:
    """A group leader that has found other metadata than those of its assignment, and has begun to revoke."""
    coordinator = object.__new__(ConsumerCoordinator)
    coordinator._subscription = SimpleNamespace(partitions_auto_assigned=lambda: True, subscription={"orders"})
    coordinator.config = {"group_id": "g", "api_version": (4, 0)}
    coordinator._joined_subscription = {"orders"}
    coordinator.rejoin_needed = False
    coordinator._assignment_snapshot, coordinator._metadata_snapshot = {"orders": {0}}, {"orders": {0, 1}}
    assert coordinator.need_rejoin()
    return coordinator


def test_the_released_client_forgets_to_join_when_the_metadata_agree_again() -> None:
    coordinator = leader_that_revokes()
    coordinator._metadata_snapshot = {"orders": {0}}
    assert not coordinator.need_rejoin()


def test_a_join_follows_each_revocation_whatever_the_metadata_say() -> None:
    coordinator = leader_that_revokes()
    keep_join_requested(SimpleNamespace(_coordinator=coordinator))
    coordinator._metadata_snapshot = {"orders": {0}}
    assert coordinator.need_rejoin()
