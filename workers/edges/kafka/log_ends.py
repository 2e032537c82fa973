"""End offsets of partitions, and which partitions cannot be reached at present."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic
from typing import Any, NamedTuple

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from workers.core.record import Partition
from workers.edges.kafka.client import KafkaConnection, consumer_options, open_client
from workers.edges.kafka.convert import to_partition, topic_partitions

ALL_TIMEOUT_MS = 1_000
ONE_TIMEOUT_MS = 300
ALONE_WITHIN_S = 5.0  # of asking one by one
ASK_AGAIN_AFTER_S = 1.0  # a partition whose leader does not answer


class Bounds(NamedTuple):
    """The oldest offset of a partition, and the one after its last record."""

    earliest: int
    end: int


class Ends:
    """Asks for log bounds, of all records, committed or not. For the consumer thread only.

    One leader that does not answer fails a request for all partitions (kafka-python 3.0.12): then each partition is
    asked alone, and those that do not answer are left out of the joint request.

    The end of the committed records would not do: an open transaction of any publisher holds it back, so a record
    that another publisher appended behind it, and had acknowledged, would seem not to be there.
    """

    def __init__(self, consumer: KafkaConsumer, clock: Callable[[], float] = monotonic) -> None:
        self._consumer = consumer
        self._clock = clock
        self._asked_alone: dict[Partition, float] = {}
        self.unreachable: dict[Partition, float] = {}  # since when, monotonic seconds

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=2_000)

    def after_fetch(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The end of each partition that answers, asked now: no record appended later lies below it."""
        return self._ask(self._consumer.end_offsets, partitions)

    def bounds(self, partitions: Collection[Partition]) -> dict[Partition, Bounds]:
        """The bounds of each partition that answers."""
        ends = self._ask(self._consumer.end_offsets, partitions)
        earliest = self._ask(self._consumer.beginning_offsets, ends)
        return {partition: Bounds(offset, ends[partition]) for partition, offset in earliest.items()}

    def _ask(self, question: Callable[..., Any], partitions: Collection[Partition]) -> dict[Partition, int]:
        reachable = [one for one in partitions if one not in self.unreachable]
        silent = [one for one in partitions if one in self.unreachable and self._may_ask(one)]
        try:
            answer = self._question(question, reachable, ALL_TIMEOUT_MS)
        except KafkaError:
            answer = self._one_by_one(question, reachable)
        return answer | self._one_by_one(question, silent)

    def _one_by_one(self, question: Callable[..., Any], partitions: Collection[Partition]) -> dict[Partition, int]:
        answer: dict[Partition, int] = {}
        until = self._clock() + ALONE_WITHIN_S
        for partition in sorted(partitions, key=lambda one: self._asked_alone.get(one, 0.0)):  # none is left out twice
            if self._clock() > until:  # to ask hundreds of silent ones would take minutes, in which nothing is polled
                self.unreachable.setdefault(partition, self._clock())
                continue
            try:
                answer |= self._question(question, [partition], ONE_TIMEOUT_MS)
            except KafkaError:
                self.unreachable.setdefault(partition, self._clock())
                self._asked_alone[partition] = self._clock()
            else:
                self.unreachable.pop(partition, None)
        return answer

    def _may_ask(self, partition: Partition) -> bool:
        return self._clock() - self._asked_alone.get(partition, 0.0) >= ASK_AGAIN_AFTER_S

    @staticmethod
    def _question(
        question: Callable[..., Any], partitions: Collection[Partition], timeout_ms: int
    ) -> dict[Partition, int]:
        if not partitions:
            return {}
        found = question(topic_partitions(partitions), timeout_ms=timeout_ms)
        return {to_partition(one): offset for one, offset in found.items()}


def open_ends(connection: KafkaConnection) -> Ends:
    """Open a consumer that only asks, and for all records; raises kafka-python's errors."""
    return Ends(open_client(KafkaConsumer, consumer_options(connection) | {"isolation_level": "read_uncommitted"}))
