"""End offsets of partitions, and which partitions cannot be reached at present."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.core.record import Partition
from workers.edges.kafka.client import KafkaConnection, consumer_options, open_client

_TOGETHER_MS = 1_000
_ALONE_MS = 300
_ASK_AGAIN = 1.0  # seconds between tries at a partition whose leader does not answer


class Ends:
    """Asks for log bounds. One leader that does not answer fails a request for all partitions
    (kafka-python 3.0.12), so then each is asked alone, and the silent ones are left out of the joint request.

    An end is that of all records, committed or not: somebody's open transaction holds back the end of the
    committed ones, and what others have appended behind it, and been told so, would seem not to be there.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._asked_alone: dict[Partition, float] = {}
        self.unreachable: dict[Partition, float] = {}  # since when, monotonic seconds

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=2_000)

    def after_fetch(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The end of each partition that answers, asked now: nothing appended later lies below it."""
        return self._ask(self._consumer.end_offsets, partitions)

    def bounds(self, partitions: Collection[Partition]) -> dict[Partition, tuple[int, int]]:
        """(earliest, end) of each partition that answers."""
        ends = self._ask(self._consumer.end_offsets, partitions)
        earliest = self._ask(self._consumer.beginning_offsets, ends)
        return {at: (earliest[at], ends[at]) for at in earliest}

    def _ask(self, question: Callable[..., Any], partitions: Collection[Partition]) -> dict[Partition, int]:
        reachable = [at for at in partitions if at not in self.unreachable]
        try:
            answer = self._question(question, reachable, _TOGETHER_MS)
        except KafkaError:
            answer = self._one_by_one(question, reachable)
        silent = [at for at in partitions if at in self.unreachable and self._may_ask(at)]
        return answer | self._one_by_one(question, silent)

    def _one_by_one(self, question: Callable[..., Any], partitions: Collection[Partition]) -> dict[Partition, int]:
        answer: dict[Partition, int] = {}
        for at in partitions:
            try:
                answer |= self._question(question, [at], _ALONE_MS)
            except KafkaError:
                self.unreachable.setdefault(at, monotonic())
                self._asked_alone[at] = monotonic()
            else:
                self.unreachable.pop(at, None)
        return answer

    def _may_ask(self, at: Partition) -> bool:
        return monotonic() - self._asked_alone.get(at, 0.0) >= _ASK_AGAIN

    @staticmethod
    def _question(question: Callable[..., Any], partitions: Collection[Partition], ms: int) -> dict[Partition, int]:
        if not partitions:
            return {}
        found = question([TopicPartition(*at) for at in partitions], timeout_ms=ms)
        return {Partition(at.topic, at.partition): offset for at, offset in found.items()}


def open_ends(connection: KafkaConnection) -> Ends:
    """A consumer of its own that only asks, of all records; raises kafka-python's errors."""
    return Ends(open_client(KafkaConsumer, consumer_options(connection) | {"isolation_level": "read_uncommitted"}))
