"""A compacted topic's partitions, read to their end: followed from there (a sink's), or read once (a poller's).

In no group: the owner says which partitions to read. A followed table has its own thread and its own consumer.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from workers.core.record import Partition, Record
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, consumer_options, open_client
from workers.edges.kafka.convert import to_record
from workers.edges.kafka.errors import RECORDS_GONE, describe, kafka_errors, no_topic, partitions_of
from workers.edges.kafka.owner import OwnedThread
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.log import log

READ_ALL_WITHIN_S = 600.0  # a million rows take less than one of these minutes
POLL_MS = 1_000  # rows end a poll at once; a rebalance waits so long, and each poll costs a quiet worker
LOADING_POLL_MS = 100  # a poll without rows lasts to its end, although the position has moved
UNASSIGNED_PAUSE_S = 0.1
POSITION_TIMEOUT_MS = 1_000
BOUNDS_TIMEOUT_MS = 5_000
CONNECT_AGAIN_AFTER_S = 1.0
RETRY_AFTER_S = 0.5


class StartGoneError(KafkaFailed):
    """What was read before is not in the log any more: it must be read from its beginning."""


class Reader(Protocol):
    """The owner of the rows. Both methods are called in its loop, a partition's rows in their order."""

    def rows(self, number: int, records: list[Record]) -> None:
        """Take rows of a partition as they come, first those that were there."""

    def loaded(self, number: int) -> None:
        """All rows that were there have been read; called again when the partition had to be read again."""


@dataclass(slots=True)
class _Followed:
    reader: Reader
    end: int | None = None  # the partition is being loaded up to here; None: it is loaded, or its end is not known yet
    asked: bool = False


def open_table_consumer(connection: KafkaConnection, isolation_level: str = "read_committed") -> KafkaConsumer:
    """Open a consumer in no group, for many small rows; raises kafka-python's errors."""
    options = {"max_poll_records": 5_000, "fetch_max_wait_ms": POLL_MS, "isolation_level": isolation_level}
    return open_client(KafkaConsumer, consumer_options(connection) | options, connection.waiting)


class KafkaTable:
    """Follows partitions of one topic, each from its beginning, and says when the end of each has been reached once."""

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        loop: asyncio.AbstractEventLoop,
        failed: Callable[[Exception], None],
        *,
        brokers: Brokers | None = None,
        open_consumer: Callable[[KafkaConnection], Any] = open_table_consumer,
        bounds_timeout_ms: int = BOUNDS_TIMEOUT_MS,
    ) -> None:
        """``failed`` is called in the loop with what ended the thread: without the thread no order is sent any more."""
        self._connection = connection
        self._topic = topic
        self._brokers = brokers
        self._open_consumer = open_consumer
        self._bounds_timeout_ms = bounds_timeout_ms
        self._commands: queue.SimpleQueue[dict[int, _Followed]] = queue.SimpleQueue()
        self._followed: dict[int, _Followed] = {}
        self._thread = OwnedThread(f"kafka-{topic}", loop, self._run, failed)

    def start(self) -> None:
        self._thread.start()

    def follow(self, numbers: frozenset[int], reader: Reader) -> None:
        """Follow these partitions from their beginning for this reader, and stop following all others."""
        self._commands.put({number: _Followed(reader) for number in sorted(numbers)})

    async def stop(self, within_s: float) -> None:
        """Return when the thread has ended, or after ``within_s`` seconds."""
        await self._thread.stop(within_s)

    # In the thread.

    def _run(self) -> None:
        while self._thread.goes_on():
            try:
                consumer = self._open_consumer(self._connection)
            except KafkaError as error:
                log.debug("kafka_not_connected", topic=self._topic, detail=describe(error))
                self._thread.pause(CONNECT_AGAIN_AFTER_S)
                continue
            try:
                while self._thread.goes_on():
                    self._round(consumer)
            finally:
                consumer.close(autocommit=False, timeout_ms=2_000)

    def _round(self, consumer: KafkaConsumer) -> None:
        while not self._commands.empty():
            self._assign(consumer, self._commands.get())
        if not self._followed:
            self._thread.pause(UNASSIGNED_PAUSE_S)
            return
        try:
            self._ask_bounds(consumer)
            for found, records in consumer.poll(timeout_ms=self._timeout_ms()).items():
                reader = self._followed[found.partition].reader
                self._thread.call(reader.rows, found.partition, [to_record(one) for one in records])
            self._report_loaded(consumer)
        except RECORDS_GONE as error:
            log.error("kafka_state_truncated", topic=self._topic, detail=describe(error))
            self._read_again(consumer, partitions_of(error))
        except KafkaError as error:
            advice = "until it is read nothing is sent; if it is missing, run 'relay topics apply'"
            say = log.debug if self._brokers is not None and self._brokers.may_fail else log.warning
            say("kafka_state_unreadable", topic=self._topic, detail=describe(error), advice=advice)
            self._thread.pause(RETRY_AFTER_S)

    def _timeout_ms(self) -> int:
        is_loading = any(one.end is not None for one in self._followed.values())
        return LOADING_POLL_MS if is_loading else POLL_MS

    def _assign(self, consumer: KafkaConsumer, followed: dict[int, _Followed]) -> None:
        self._followed = followed
        partitions = [TopicPartition(self._topic, number) for number in followed]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        if partitions:
            consumer.pause(*partitions)  # until the beginning is known: offset 0 may have been compacted away

    def _ask_bounds(self, consumer: KafkaConsumer) -> None:
        new = [TopicPartition(self._topic, number) for number, one in self._followed.items() if not one.asked]
        if not new:
            return
        # The end is asked after the previous owner has been fenced: all that it wrote lies below.
        ends = consumer.end_offsets(new, timeout_ms=self._bounds_timeout_ms)
        for found, offset in consumer.beginning_offsets(new, timeout_ms=self._bounds_timeout_ms).items():
            consumer.seek(found, offset)
            self._followed[found.partition].end = ends[found]
            self._followed[found.partition].asked = True
        consumer.resume(*new)

    def _read_again(self, consumer: KafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        """The rows were deleted, or the topic was deleted and created: read what is there now from its beginning."""
        for found in partitions:
            consumer.pause(found)
            self._followed[found.partition].asked = False

    def _report_loaded(self, consumer: KafkaConsumer) -> None:
        for number, one in self._followed.items():
            if one.end is None:
                continue
            position = consumer.position(TopicPartition(self._topic, number), timeout_ms=POSITION_TIMEOUT_MS)
            if position is not None and position >= one.end:
                one.end = None
                self._thread.call(one.reader.loaded, number)


async def read_all(
    connection: KafkaConnection,
    partition: Partition,
    take: Callable[[list[Record]], None],
    start: int | None = None,
    *,
    committed: bool = True,
) -> int:
    """Read a partition's records up to its present end, which is returned; raises `KafkaFailed`.

    ``committed``: not those of transactions that are open, nor what came after the first of these.

    ``start``: an end that was returned before, None: the beginning. `StartGoneError`: it is not in the log any more.
    ``take`` gets them in their order, in the reading thread: a million rows must not hold up the loop.
    """
    stopping = threading.Event()
    with kafka_errors(connection):
        try:
            read = partial(_read_all, connection, partition, take, start, stopping, committed=committed)
            return await run_in_daemon_thread(read, READ_ALL_WITHIN_S)
        finally:
            stopping.set()


def _read_all(
    connection: KafkaConnection,
    partition: Partition,
    take: Callable[[list[Record]], None],
    start: int | None,
    stopping: threading.Event,
    *,
    committed: bool,
) -> int:
    consumer = open_table_consumer(connection, "read_committed" if committed else "read_uncommitted")
    try:
        asked = TopicPartition(*partition)
        consumer.assign([asked])
        beginning, end = _bounds(consumer, asked)
        if start is not None and not beginning <= start <= end:
            raise StartGoneError(f"{partition} has been created again, or cut: offset {start} is not in it")
        consumer.seek(asked, beginning if start is None else start)
        while not stopping.is_set() and (consumer.position(asked, timeout_ms=POSITION_TIMEOUT_MS) or 0) < end:
            take([to_record(one) for one in consumer.poll(timeout_ms=1_000).get(asked, [])])
        return end
    finally:
        consumer.close(autocommit=False, timeout_ms=2_000)


def _bounds(consumer: KafkaConsumer, asked: TopicPartition) -> tuple[int, int]:
    """The oldest offset, and the end. kafka-python waits for a topic that is missing as for a broker that is silent."""
    try:
        end = consumer.end_offsets([asked], timeout_ms=BOUNDS_TIMEOUT_MS)[asked]
        return int(consumer.beginning_offsets([asked], timeout_ms=BOUNDS_TIMEOUT_MS)[asked]), int(end)
    except (KafkaTimeoutError, UnknownTopicOrPartitionError) as error:
        if asked.topic not in consumer.topics():
            raise KafkaFailed(no_topic(asked.topic)) from error
        raise
