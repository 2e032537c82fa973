"""Parked records are read for many orders in one pass, committed ones only."""

import asyncio
import itertools
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import TopicAuthorizationFailedError

from tests.support.kafka_rig import Side
from tests.support.waiting import PATIENCE_S, until
from workers.core.parked.fence import NO_KEY
from workers.core.record import Partition
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.parked_reader import Bound, ParkedReader, Wave, stretches

RANGES = st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 900)), min_size=1)


@pytest.mark.broker
async def test_a_wave_holds_the_committed_records_of_its_orders_in_their_offset_ranges(
    side: Side, topics: Any, connection: KafkaConnection
) -> None:
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    side.in_transaction(topic, [b"0", b"1", b"2"])
    side.in_transaction(topic, [b"never"], commit=False)
    side.produce(topic, [b"6", b"7"])
    side.delete_before(at, 1)
    reader = ParkedReader(connection)
    everything = await reader.read(at, {NO_KEY: (0, 6)})
    assert [record.value for record in everything.orders[NO_KEY]] == [b"1", b"2", b"6"]
    assert everything.reached == 6
    one = await reader.read(at, {NO_KEY: (2, 2), "another": (0, 6)})
    assert [record.offset for record in one.orders[NO_KEY]] == [2]
    await reader.close()


@pytest.mark.broker
async def test_a_pass_ends_at_its_bound_and_says_how_far_it_came(
    side: Side, topics: Any, connection: KafkaConnection
) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [b"0", b"1"])
    reader = ParkedReader(connection)
    wave = await reader.read(Partition(topic, 0), {NO_KEY: (0, 0), "another": (0, 1)}, Bound(1))
    assert [record.value for record in wave.orders[NO_KEY]] == [b"0"]
    assert wave.reached <= 1
    await reader.close()


@pytest.mark.broker
async def test_orders_beyond_the_end_of_a_recreated_topic_hold_up_no_others(
    side: Side, topics: Any, connection: KafkaConnection
) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [b"0", b"1"])
    reader = ParkedReader(connection)
    wave = await reader.read(Partition(topic, 0), {"gone": (5_000, 5_001), NO_KEY: (0, 1)})
    assert [record.value for record in wave.orders[NO_KEY]] == [b"0", b"1"]
    assert wave.reached == 5_001
    await reader.close()


async def test_a_refused_read_says_so_in_one_line() -> None:
    def refuse(_: KafkaConnection) -> Any:
        raise TopicAuthorizationFailedError({"t"})

    with pytest.raises(KafkaFailed, match="lacks this right"):
        await ParkedReader(KafkaConnection(), refuse).read(Partition("t", 0), {"o": (0, 1)})


class Held:
    """A `PartitionReader` of an empty partition, which answers when it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.closes: list[bool] = []

    def oldest(self, _: Partition) -> int:
        self.thread = threading.current_thread()
        self.asked.set()
        assert self.may_answer.wait(PATIENCE_S)
        return 0

    def stretch(self, *_: Any) -> Any:
        return iter(())

    def close(self) -> None:
        self.closes.append(True)

    def answer(self) -> None:
        """Return when the reading thread has ended; the loop stands still meanwhile."""
        self.may_answer.set()
        self.thread.join(PATIENCE_S)


async def begun(held: Any, bound: Bound | None = None) -> tuple[ParkedReader, asyncio.Task[Wave]]:
    """A read that waits for its answer."""
    parked = ParkedReader(KafkaConnection(), lambda _: held)
    reading = asyncio.create_task(parked.read(Partition("t", 0), {"o": (0, 1)}, bound or Bound()))
    await until(held.asked.is_set)
    return parked, reading


async def test_a_reader_whose_read_was_cancelled_is_closed_when_its_pass_ends() -> None:
    """An assignment may end at any time: each would leave a consumer with its thread and sockets."""
    held = Held()
    parked, reading = await begun(held)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await parked.close()
    assert held.closes == [], "its thread still reads"
    held.answer()
    assert held.closes == [True]


async def test_a_reader_that_came_too_late_is_closed() -> None:
    held = Held()
    _, reading = await begun(held, Bound(within_s=0.01))
    with pytest.raises(KafkaFailed, match="could not be read within"):
        await reading
    held.answer()
    assert held.closes == [True]


async def test_a_read_that_is_cancelled_as_its_pass_ends_leaves_its_reader_to_close() -> None:
    held = Held()
    parked, reading = await begun(held)
    held.answer()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await parked.close()
    assert held.closes == [True]


async def test_a_reader_stays_open_from_wave_to_wave() -> None:
    held = Held()
    parked, reading = await begun(held)
    held.answer()
    await reading
    assert held.closes == []
    await parked.close()
    assert held.closes == [True]


@given(ranges=RANGES)
def test_stretches_cover_every_range_in_order_and_never_overlap(ranges: list[tuple[int, int]]) -> None:
    wanted = [(first, first + length) for first, length in ranges]
    found = list(stretches(wanted))
    assert all(any(begin <= first and last <= end for begin, end in found) for first, last in wanted)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))
