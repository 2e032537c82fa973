"""What commands read of parked orders: the last row of each in the sink's tracked topic."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.topics import codec_of
from workers.app.events.command_codec import OpenCodec
from workers.app.events.tracked_rows import tracked_row
from workers.app.inspect.parked_orders import ParkedOrder, tracked_now
from workers.core.delivery.tracked_order import Tracked
from workers.core.record import Partition, Record
from workers.edges.kafka.log_ends import Bounds

TOPIC = "komet-tracked-orders"
SINK: Any = SimpleNamespace(tracks=TOPIC)


@dataclass
class Log:
    """A `PartitionReader` of one topic with two partitions."""

    records: list[Record]

    def partitions(self, topic: str) -> list[Partition]:
        return [Partition(topic, number) for number in range(2)]

    def bounds(self, partitions: list[Partition]) -> dict[Partition, Bounds]:
        return {one: Bounds(0, len(self.records)) for one in partitions}

    def stretch(self, partition: Partition, first: int, end: int) -> Iterator[list[Record]]:
        yield [one for one in self.records[first:end] if one.partition == partition.number]


@pytest.fixture
def codec() -> Iterator[OpenCodec]:
    with asyncio.Runner() as runner:
        yield OpenCodec(codec_of({TOPIC: TOPIC}), runner)


def row(codec: OpenCodec, number: str, order_id: str, **more: Any) -> Record:
    tracked = Tracked(number, order_id, 0, "h", **more)
    sent = tracked_row(codec.codec, Partition(TOPIC, 1), tracked, 0, "order_id")
    return Record(TOPIC, 1, 0, 0, sent.key, sent.value, tuple(sent.headers))


def test_the_last_row_counts_and_a_tombstone_ends_it(codec: OpenCodec) -> None:
    gone = row(codec, "7", "A-2")
    log: Any = Log([row(codec, "5", "A-1"), gone, gone._replace(value=None), row(codec, "6", "A-1", stage="open")])
    fence: Any = None
    orders = [ParkedOrder(1, order_id, fence) for order_id in ("A-1", "A-2", "A-3")]
    found = tracked_now(log, codec, SINK, orders)
    assert {key.order_id: (one.order_number, one.stage) for key, one in found.items()} == {"A-1": ("6", "open")}
    assert tracked_now(log, codec, SINK, [ParkedOrder(0, "A-1", fence)]) == {}


def test_a_sink_that_tracks_nothing_has_none(codec: OpenCodec) -> None:
    log: Any = Log([])
    nothing: Any = SimpleNamespace(tracks=None)
    assert tracked_now(log, codec, nothing, []) == {}
