"""A compacted topic read to its end and followed, on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.kafka_rig import Side
from tests.support.waiting import until
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.table import KafkaTable, StartGoneError, read_all

pytestmark = pytest.mark.broker
COMPACT = {"cleanup.policy": "compact", "segment.ms": 100, "min.cleanable.dirty.ratio": 0.01, "delete.retention.ms": 0}


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

    def failed(self, error: Exception) -> None:
        self.failures.append(error)
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
    made: list[KafkaTable] = []

    def start(topic: str, numbers: set[int], reader: Table, **options: Any) -> KafkaTable:
        table = KafkaTable(connection, topic, asyncio.get_running_loop(), reader.failed, **options)
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


async def test_rows_come_in_order_and_before_loaded(side: Side, topics: Any, follow: Any) -> None:
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
    assert reader.done == [0], "loaded is reported once"


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
        await asyncio.sleep(0.15)  # the broker closes a segment by age at the next record, and no event shows it
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


async def test_a_new_reader_gets_all_rows_and_the_old_reader_none_any_more(
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


async def test_following_no_partition_and_then_one_works(topics: Any, follow: Any) -> None:
    reader = Table()
    table = follow(topics(partitions=1), set(), reader)
    table.follow(frozenset({0}), reader)
    await reader.until(lambda: reader.done)


async def test_a_missing_topic_is_logged_and_is_read_when_it_exists(
    broker: Any, topics: Any, follow: Any, caplog: pytest.LogCaptureFixture
) -> None:
    topic, reader = topics("state"), Table()
    follow(topic, {0}, reader, bounds_timeout_ms=500)
    await until(lambda: "kafka_state_unreadable" in caplog.messages, "the missing topic is logged")
    (line,) = (one for one in caplog.records if one.message == "kafka_state_unreadable")
    assert "relay topics apply" in line.__dict__["values"]["advice"]
    broker.create_topic(topic)
    await reader.until(lambda: reader.done)


async def test_an_error_that_ends_the_thread_is_reported(topics: Any, follow: Any) -> None:
    """A worker whose parked state is read by no thread would hold every record for ever, and seem healthy."""

    def broken(_: KafkaConnection) -> Any:
        raise ZeroDivisionError

    reader = Table()
    follow(topics("state"), {0}, reader, open_consumer=broken)
    await reader.until(lambda: reader.failures)
    assert [type(error) for error in reader.failures] == [ZeroDivisionError]


async def test_a_topic_that_is_missing_is_no_silent_broker(side: Side) -> None:
    with pytest.raises(KafkaFailed, match="no topic 'nowhere' on the cluster"):
        await read_all(side.connection, Partition("nowhere", 0), print)


async def test_a_partition_that_was_read_is_read_on_from_its_former_end(side: Side, topics: Any) -> None:
    """One whose former end is not in the log any more must be read from the beginning."""
    topic = topics(partitions=1)
    at, taken = Partition(topic, 0), list[Record]()
    side.produce(topic, [b"a", b"b"])
    end = await read_all(side.connection, at, taken.extend)
    side.produce(topic, [b"c"])
    assert await read_all(side.connection, at, taken.extend, end) == 3
    assert [record.value for record in taken] == [b"a", b"b", b"c"]
    for gone in (99, 2):
        with pytest.raises(StartGoneError):
            await read_all(side.connection, at, taken.extend, gone)
        side.delete_before(at, 3)
