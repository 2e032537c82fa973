"""The order of a reference is looked for in the sink's rows, by several sets at the same time."""

import asyncio
from collections.abc import Callable
from typing import Any

from workers.app.poll.order_ids import OrderIds
from workers.core.poll.change import Stage, VendorOrder
from workers.core.poll.vendor_set import SetRow
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.table import StartGoneError

AT = Partition("sink-rows", 0)


class Topic:
    """A topic whose `read_all` lets other tasks go on while it reads."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.starts: list[int | None] = []  # of each reading
        self.lies_from = 0  # the oldest offset

    async def read_all(
        self, _: Any, at: Partition, take: Callable[[list[Record]], None], start: int | None = None, **__: Any
    ) -> int:
        self.starts.append(start)
        await asyncio.sleep(0)
        if start is not None and start < self.lies_from:
            raise StartGoneError
        numbers = range(start or 0, len(self.keys))
        take([Record(at.topic, at.number, number, 0, self.keys[number].encode(), b"", ()) for number in numbers])
        return len(self.keys)


def opened(topic: Topic) -> OrderIds:
    return OrderIds(KafkaConnection(), [AT], "ref-{}".format, topic.read_all)


def row(reference: str) -> SetRow:
    item = VendorOrder("SO1", Stage("Open", None, "", "processing"), b"", {}, reference=reference)
    return SetRow("/SO1", b"", item)


def named(rows: tuple[SetRow, ...]) -> list[str | None]:
    return [one.item.order_id for one in rows if isinstance(one.item, VendorOrder)]


async def test_sets_that_meet_a_reference_at_the_same_time_read_the_topic_once() -> None:
    topic = Topic("A", "B")
    ids = opened(topic)
    found = await asyncio.gather(*(ids.named([row("ref-A"), row("ref-C")]) for _ in range(3)))
    assert [named(rows) for rows in found] == [["A", None]] * 3
    assert topic.starts == [None]


async def test_a_set_that_knows_its_references_does_not_wait_for_one_that_reads() -> None:
    topic = Topic("A")
    ids = opened(topic)
    await ids.named([row("ref-A")])
    reading = asyncio.create_task(ids.named([row("ref-B")]))
    await asyncio.sleep(0)
    assert named(await ids.named([row("ref-A")])) == ["A"]
    assert not reading.done()
    assert named(await reading) == [None]


async def test_sets_that_find_the_topic_cut_at_the_same_time_read_it_again() -> None:
    topic = Topic("A")
    ids = opened(topic)
    await ids.named([row("ref-A")])
    topic.keys, topic.lies_from = ["A", "B", "C"], 2
    first, second = await asyncio.gather(ids.named([row("ref-B")]), ids.named([row("ref-C")]), return_exceptions=True)
    assert isinstance(first, StartGoneError), "its set asks again"
    assert isinstance(second, tuple)
    assert named(second) == ["C"]
    assert topic.starts == [None, 1, None]
