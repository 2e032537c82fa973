"""A sink's parked orders, read from its parked state while the worker runs or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from workers.app.config.specs import SinkSpec
from workers.core.parked.fence import NO_KEY, Fence
from workers.core.parked.headers import ParkedRecord, parked_records
from workers.core.parked.rows import read_row
from workers.core.record import Partition, Record
from workers.edges.kafka.parked_reader import one_pass
from workers.edges.kafka.reader import PartitionReader, all_partitions

NO_KEY_SHOWN = "(no key)"  # how people see and say the order of records without a key
_TOGETHER = 500  # orders whose parked records are read in one pass


@dataclass(frozen=True, slots=True)
class ParkedOrder:
    """One order and its fence."""

    number: int  # of the partition that holds it
    order_id: str
    fence: Fence

    @property
    def place(self) -> tuple[int, str]:
        """One order may be parked in several partitions, and so may records without a key."""
        return self.number, self.order_id

    @property
    def name(self) -> str:
        """The order as people see it."""
        return NO_KEY_SHOWN if self.order_id == NO_KEY else self.order_id


def order_named(name: str) -> str:
    """The order that people mean."""
    return NO_KEY if name == NO_KEY_SHOWN else name


@dataclass(frozen=True, slots=True)
class Share:
    """The parked orders of one partition, as they stood when it had ``end`` rows behind it."""

    at: Partition
    end: int
    orders: Mapping[str, ParkedOrder]


def parked_orders(reader: PartitionReader, sink: SinkSpec) -> Iterator[Share]:
    """Read the parked state, a partition at a time: memory holds one partition's orders."""
    partitions = all_partitions(reader, sink.parked_state)
    for at, (first, end) in reader.bounds(partitions).items():
        found: dict[str, ParkedOrder] = {}
        for records in reader.stretch(at, first, end):
            for record in records:
                _take(found, record)
        yield Share(at, end, found)


def fence_of(record: Record) -> Fence | None:
    """The fence in a row of the parked state; None when the row is another's, or none can be read."""
    try:
        row = None if record.value is None else read_row(record.value)
    except ValueError:  # the worker says so, loudly
        return None
    return row if isinstance(row, Fence) else None


def row_name(record: Record) -> str:
    """The key of a row: an order id, or a command's name."""
    return (record.key or b"").decode("utf-8", "replace")


def _take(found: dict[str, ParkedOrder], record: Record) -> None:
    order_id, fence = row_name(record), fence_of(record)
    if fence is not None:
        found[order_id] = ParkedOrder(record.partition, order_id, fence)
    elif record.value is None:
        found.pop(order_id, None)


def parked_stories(
    reader: PartitionReader, sink: SinkSpec, orders: Collection[ParkedOrder]
) -> Iterator[tuple[ParkedOrder, list[ParkedRecord]]]:
    """Read what is parked of these orders, many in one pass, in the sequence in which it is to be delivered."""
    for number in sorted({order.number for order in orders}):
        ours = [order for order in orders if order.number == number and order.fence.last is not None]
        for start in range(0, len(ours), _TOGETHER):
            yield from _together(reader, Partition(sink.parks, number), ours[start : start + _TOGETHER])


def _together(
    reader: PartitionReader, at: Partition, orders: list[ParkedOrder]
) -> Iterator[tuple[ParkedOrder, list[ParkedRecord]]]:
    spans = {order.order_id: (order.fence.first or 0, order.fence.last or 0) for order in orders}
    found: dict[str, list[Record]] = {order_id: [] for order_id in spans}
    last = max(end for _, end in spans.values())
    reached = -1
    while reached < last:
        left = {name: (max(first, reached + 1), end) for name, (first, end) in spans.items() if end > reached}
        wave = one_pass(reader, at, left)
        for order_id, records in wave.orders.items():
            found[order_id] += records
        reached = max(wave.reached, reached + 1)
    for order in orders:
        yield order, parked_records(found[order.order_id])
