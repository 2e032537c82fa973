"""A compacted topic's partitions, read to their end: followed from there (a sink's), or read once (a poller's).

In no group: which partitions to read is said by their owner. What is followed has a thread and a consumer of its own.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from workers.core.record import Partition, Record
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaConnection, consumer_options, kafka_errors, open_client
from workers.edges.kafka.convert import describe, to_record
from workers.edges.log import log

READ_ALL_WITHIN = 600.0  # seconds; a million rows take less than one of these minutes
_POLL_MS = 100
_AFTER_ERROR = 0.5
_BOUNDS_MS = 5_000


class Reader(Protocol):
    """The loop's side; called in the loop, a partition's rows in their order."""

    def rows(self, number: int, records: list[Record]) -> None:
        """Take rows of a partition as they come, at first those that were there."""

    def loaded(self, number: int) -> None:
        """All that was there has been read; told again when it had to be read anew."""


@dataclass(slots=True)
class _Followed:
    reader: Reader
    end: int | None = None  # until read so far the partition is being loaded; None: loaded, or the end not asked yet
    asked: bool = False


class KafkaTable:
    """Follows partitions of one topic, each from its beginning, and says when its end has been reached once."""

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        loop: asyncio.AbstractEventLoop,
        failed: Callable[[Exception], None],
    ) -> None:
        """``failed`` is told in the loop of what ended the thread: without it no order would ever be sent again."""
        self._options = consumer_options(connection) | {"max_poll_records": 5_000}
        self._topic = topic
        self._loop = loop
        self._failed = failed
        self._orders: queue.SimpleQueue[Callable[[KafkaConsumer], None]] = queue.SimpleQueue()
        self._followed: dict[int, _Followed] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-{topic}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def follow(self, numbers: frozenset[int], reader: Reader) -> None:
        """Follow these partitions from their beginning for this reader, and no others any more."""

        def obey(consumer: KafkaConsumer) -> None:
            self._followed = {number: _Followed(reader) for number in numbers}
            partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
            consumer.assign(partitions)
            for at in partitions:
                consumer.seek(at, 0)
            if partitions:
                consumer.pause(*partitions)  # until its beginning is known: offset 0 may have been compacted away

        self._orders.put(obey)

    async def stop(self, within: float) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, within)

    def _run(self) -> None:
        try:
            self._follow_until_stopped()
        except Exception as error:  # noqa: BLE001 - a thread's death must be the process's death, whatever it was
            self._tell(self._failed, error)

    def _follow_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                consumer = open_client(KafkaConsumer, self._options)
            except KafkaError as error:
                log.warning("kafka_unreachable", topic=self._topic, detail=describe(error))
                self._stopping.wait(1.0)
                continue
            try:
                while not self._stopping.is_set():
                    self._round(consumer)
            finally:
                consumer.close(autocommit=False, timeout_ms=2_000)

    def _round(self, consumer: KafkaConsumer) -> None:
        while not self._orders.empty():
            self._orders.get()(consumer)
        if not self._followed:
            self._stopping.wait(_POLL_MS / 1000)
            return
        try:
            self._ask_bounds(consumer)
            for at, records in consumer.poll(timeout_ms=_POLL_MS).items():
                self._tell(self._followed[at.partition].reader.rows, at.partition, [to_record(one) for one in records])
            self._say_loaded(consumer)
        except OffsetOutOfRangeError as error:
            log.error("kafka_state_cut", topic=self._topic, detail=describe(error))
            self._begin_anew(consumer, error.args[0])
        except KafkaError as error:
            todo = "until it is read nothing is sent; if it is missing, run 'relay topics apply'"
            log.warning("kafka_state_unreadable", topic=self._topic, detail=describe(error), advice=todo)
            self._stopping.wait(_AFTER_ERROR)

    def _ask_bounds(self, consumer: KafkaConsumer) -> None:
        new = [TopicPartition(self._topic, number) for number, one in self._followed.items() if not one.asked]
        if not new:
            return
        # The end is asked after the former owner is shut out: all that it wrote lies below.
        ends = consumer.end_offsets(new, timeout_ms=_BOUNDS_MS)
        for at, offset in consumer.beginning_offsets(new, timeout_ms=_BOUNDS_MS).items():
            consumer.seek(at, offset)
            self._followed[at.partition].end = ends[at]
            self._followed[at.partition].asked = True
        consumer.resume(*new)

    def _begin_anew(self, consumer: KafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        """What lay here was deleted, or the topic was created anew: what there is now is read from its beginning."""
        for at in partitions:
            consumer.pause(at)
            self._followed[at.partition].asked = False

    def _say_loaded(self, consumer: KafkaConsumer) -> None:
        for number, one in self._followed.items():
            if one.end is None:
                continue
            position = consumer.position(TopicPartition(self._topic, number), timeout_ms=1_000)
            if position is not None and position >= one.end:
                one.end = None
                self._tell(one.reader.loaded, number)

    def _tell(self, what: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # the loop has ended: the process is leaving
            self._stopping.set()


async def read_all(connection: KafkaConnection, at: Partition, take: Callable[[list[Record]], None]) -> None:
    """Read a partition's committed records from its beginning to its present end; raises `KafkaFailed`.

    ``take`` gets them in their order, in the reading thread: a million rows must not hold up the loop.
    """
    stopping = threading.Event()
    with kafka_errors(connection):
        try:
            await run_in_daemon_thread(lambda: _read_all(connection, at, take, stopping), READ_ALL_WITHIN)
        finally:
            stopping.set()


def _read_all(
    connection: KafkaConnection, at: Partition, take: Callable[[list[Record]], None], stopping: threading.Event
) -> None:
    consumer = open_client(KafkaConsumer, consumer_options(connection) | {"max_poll_records": 5_000})
    try:
        partition = TopicPartition(*at)
        consumer.assign([partition])
        end = consumer.end_offsets([partition], timeout_ms=5_000)[partition]
        consumer.seek(partition, consumer.beginning_offsets([partition], timeout_ms=5_000)[partition])
        while not stopping.is_set() and (consumer.position(partition, timeout_ms=1_000) or 0) < end:
            take([to_record(one) for one in consumer.poll(timeout_ms=1_000).get(partition, [])])
    finally:
        consumer.close(autocommit=False, timeout_ms=2_000)
