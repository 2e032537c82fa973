"""Log bounds: one leader that does not answer costs the others nothing, and is asked once a second."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from tests.support.kafka_rig import Side
from workers.core.record import Partition
from workers.edges.kafka.log_ends import Ends, open_ends

GOOD, SILENT = Partition("orders", 0), Partition("orders", 1)


class Consumer:
    """Answers as kafka-python's consumer does: all partitions or none."""

    def __init__(self) -> None:
        self.silent = {SILENT}
        self.asked: list[set[Partition]] = []

    def end_offsets(self, partitions: Sequence[Any], timeout_ms: int) -> dict[Any, int]:
        self.asked.append({Partition(*at) for at in partitions})
        if self.silent & self.asked[-1]:
            raise KafkaTimeoutError(f"no answer in {timeout_ms} ms")
        return dict.fromkeys(partitions, 10)

    def beginning_offsets(self, partitions: Sequence[Any], timeout_ms: int) -> dict[Any, int]:
        return dict.fromkeys(self.end_offsets(partitions, timeout_ms), 3)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_silent_leader_hides_no_other_partitions_ends() -> None:
    consumer, clock = Consumer(), Clock()
    ends = Ends(consumer, clock)
    assert ends.after_fetch([GOOD, SILENT]) == {GOOD: 10}
    assert ends.unreachable == {SILENT: 100.0}
    assert ends.bounds([GOOD, SILENT]) == {GOOD: (3, 10)}


def test_many_silent_partitions_are_asked_in_turns_of_a_few_seconds() -> None:
    """The thread that asks polls, too: liveness counts on it while no broker answers."""
    many, clock, consumer = [Partition("orders", number) for number in range(40)], Clock(), Consumer()
    consumer.silent = set(many)

    def ask(partitions: Sequence[Any], timeout_ms: int) -> dict[Any, int]:
        clock.now += timeout_ms / 1000
        return Consumer.end_offsets(consumer, partitions, timeout_ms)

    consumer.end_offsets = ask  # type: ignore[method-assign]
    ends = Ends(consumer, clock)
    for _ in range(3):
        began = clock.now
        ends.after_fetch(many)
        assert clock.now - began < 8
        clock.now += 1.0
    assert set(ends.unreachable) == set(many)
    assert set().union(*(asked for asked in consumer.asked if len(asked) == 1)) == set(many)


def test_a_silent_partition_is_asked_alone_and_once_a_second() -> None:
    consumer, clock = Consumer(), Clock()
    ends = Ends(consumer, clock)
    ends.after_fetch([GOOD, SILENT])
    consumer.asked.clear()
    ends.after_fetch([GOOD, SILENT])
    assert consumer.asked == [{GOOD}]
    clock.now += 1.0
    ends.after_fetch([GOOD, SILENT])
    assert consumer.asked[1:] == [{GOOD}, {SILENT}]
    assert ends.unreachable == {SILENT: 100.0}, "since the first failure, not since the last try"


def test_a_partition_that_answers_again_is_reachable() -> None:
    consumer, clock = Consumer(), Clock()
    ends = Ends(consumer, clock)
    ends.after_fetch([GOOD, SILENT])
    consumer.silent.clear()
    clock.now += 1.0
    assert ends.after_fetch([GOOD, SILENT]) == {GOOD: 10, SILENT: 10}
    assert ends.unreachable == {}


def test_no_partition_means_no_request() -> None:
    consumer = Consumer()
    assert Ends(consumer).after_fetch([]) == {}
    assert consumer.asked == []


@pytest.mark.broker
def test_bounds_of_a_real_log_include_open_transactions(side: Side, topics: Any) -> None:
    topic = topics(partitions=2)
    side.produce(topic, [b"x"] * 5)
    side.delete_before(Partition(topic, 0), 2)
    with closing(side.transaction()) as stranger, closing(open_ends(side.connection)) as ends:
        stranger.send(topic, partition=0, value=b"open").get(timeout=10)
        found = ends.bounds([Partition(topic, 0), Partition(topic, 1)])
        stranger.abort_transaction()
    assert found == {Partition(topic, 0): (2, 6), Partition(topic, 1): (0, 0)}
