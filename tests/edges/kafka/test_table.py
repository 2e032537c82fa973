"""A compacted topic read to its end and followed, on a real broker."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection

if TYPE_CHECKING:
    from tests.support.kafka_rig import Side

pytestmark = pytest.mark.broker
COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": 100,
    "min.cleanable.dirty.ratio": 0.01,
    "delete.retention.ms": 0,
}


@dataclass
class Table:
    """A `Reader` that keeps the last value of each key, as an owner would."""

    rows_seen: list[Record] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    seen_at_load: list[int] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def rows(self, number: int, records: list[Record]) -> None:
        assert {record.partition for record in records} == {number}
        self.rows_seen += records
        self._news.set()

    def loaded(self, number: int) -> None:
        self.done.append(number)
        self.seen_at_load.append(len(self.rows_seen))
        self._news.set()

    @property
    def content(self) -> dict[bytes | None, bytes | None]:
        return {one.key: one.value for one in self.rows_seen}

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not what():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def follow(connection: KafkaConnection) -> AsyncIterator[Callable[..., Any]]:
    from workers.edges.kafka.table import KafkaTable  # noqa: PLC0415 - imports kafka: after pytest_configure

    made: list[KafkaTable] = []

    def start(topic: str, numbers: set[int], reader: Table) -> KafkaTable:
        table = KafkaTable(connection, topic, asyncio.get_running_loop(), reader.failures.append)
        made.append(table)
        table.start()
        table.follow(frozenset(numbers), reader)
        return table

    yield start
    for table in made:
        await table.stop(5.0)


async def test_an_empty_partition_is_loaded_at_once(topics: Any, follow: Any) -> None:
    reader = Table()
    follow(topics(partitions=3), {0, 2}, reader)
    await reader.until(lambda: sorted(reader.done) == [0, 2])
    assert reader.rows_seen == []


async def test_rows_come_in_order_and_before_loaded_is_said(side: Side, topics: Any, follow: Any) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [b"%d" % n for n in range(100)], key=b"A")
    reader = Table()
    follow(topic, {0}, reader)
    await reader.until(lambda: reader.done)
    assert reader.seen_at_load == [100]
    assert [row.offset for row in reader.rows_seen] == list(range(100))


async def test_new_rows_and_tombstones_follow_after_the_load(side: Side, topics: Any, follow: Any) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [b"1"], key=b"A")
    reader = Table()
    follow(topic, {0}, reader)
    await reader.until(lambda: reader.done)
    side.produce(topic, [b"1"], key=b"B")
    side.produce(topic, [None], key=b"A")
    await reader.until(lambda: reader.content == {b"A": None, b"B": b"1"})
    assert reader.done == [0], "loaded is said once"


async def test_a_log_with_gaps_at_its_beginning_and_in_it_is_loaded(side: Side, topics: Any, follow: Any) -> None:
    topic = topics(partitions=1)
    side.in_transaction(topic, [b"a", b"b"])  # their marker is no row
    side.in_transaction(topic, [b"never"], commit=False)
    side.produce(topic, [b"c"], key=b"C")
    side.delete_before(Partition(topic, 0), 1)
    side.in_transaction(topic, [b"nor this"], commit=False)  # the end itself is no row
    reader = Table()
    follow(topic, {0}, reader)
    await reader.until(lambda: reader.done)
    assert [row.value for row in reader.rows_seen] == [b"b", b"c"]


async def test_a_log_whose_last_rows_were_compacted_away_is_loaded(side: Side, topics: Any, follow: Any) -> None:
    topic = topics(partitions=1, config=COMPACT)
    for _ in range(3):
        side.produce(topic, [b"%d" % n for n in range(20)], key=b"A")
        await asyncio.sleep(0.15)  # a segment is closed by age when the next record comes: nothing tells of it
    reader = Table()
    follow(topic, {0}, reader)
    await reader.until(lambda: reader.done)
    assert reader.content == {b"A": b"19"}


async def test_twenty_thousand_rows_are_loaded(side: Side, topics: Any, follow: Any) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [b"x" * 200] * 20_000, key=b"A")
    reader = Table()
    follow(topic, {0}, reader)
    await reader.until(lambda: reader.done)
    assert len(reader.rows_seen) == 20_000


async def test_following_anew_begins_anew_for_the_new_reader_and_tells_the_old_one_nothing_more(
    side: Side, topics: Any, follow: Any
) -> None:
    topic = topics(partitions=2)
    side.produce(topic, [b"1"], 0)
    side.produce(topic, [b"2"], 1)
    old, new = Table(), Table()
    table = follow(topic, {0}, old)
    await old.until(lambda: old.done)
    table.follow(frozenset({0, 1}), new)
    await new.until(lambda: sorted(new.done) == [0, 1])
    side.produce(topic, [b"3"], 0)
    await new.until(lambda: len(new.rows_seen) == 3)
    assert len(old.rows_seen) == 1


async def test_following_nothing_is_quiet(topics: Any, follow: Any) -> None:
    reader = Table()
    table = follow(topics(partitions=1), set(), reader)
    table.follow(frozenset({0}), reader)
    await reader.until(lambda: reader.done)


async def test_a_topic_that_is_missing_is_said_and_read_when_it_is_made(
    broker: Any, topics: Any, follow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    monkeypatch.setattr("workers.edges.kafka.table._BOUNDS_MS", 500)
    monkeypatch.setattr("workers.edges.kafka.table.log.warning", lambda _, **values: said.put(values))
    topic, reader = topics("state"), Table()
    follow(topic, {0}, reader)
    values = await asyncio.to_thread(said.get, timeout=20)
    assert "relay topics apply" in values["advice"]
    broker.create_topic(topic)
    await reader.until(lambda: reader.done)


async def test_what_ends_the_thread_is_told(side: Side, topics: Any, follow: Any, monkeypatch: Any) -> None:
    """A worker whose parked state is read by nobody would hold every record for ever, and look well."""
    monkeypatch.setattr("workers.edges.kafka.table.to_record", lambda _: 1 / 0)
    topic, reader = topics(partitions=1), Table()
    side.produce(topic, [b"1"])
    table = follow(topic, {0}, reader)
    await asyncio.to_thread(table._thread.join, 20)
    await asyncio.sleep(0)
    assert [type(error) for error in reader.failures] == [ZeroDivisionError]
