"""A sink's parked orders, and what it has of them at the vendor, whether or not the worker runs."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from workers.app.config.specs import SinkSpec
from workers.app.events.command_codec import OpenCodec
from workers.app.events.tracked_rows import tracked_of
from workers.core.delivery.tracked_order import Tracked
from workers.core.parked.fence import NO_KEY, Fence, OrderKey
from workers.core.parked.headers import ParkedRecord, parked_records
from workers.core.parked.rows import read_row
from workers.core.record import Partition, Record
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.parked_reader import one_pass
from workers.edges.kafka.reader import PartitionReader, all_partitions

NO_KEY_SHOWN = "(no key)"  # what people read and type for the records without a key
_ORDERS_IN_ONE_PASS = 500


@dataclass(frozen=True, slots=True)
class ParkedOrder:
    partition_number: int
    order_id: str
    fence: Fence

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.partition_number, self.order_id)

    @property
    def name(self) -> str:
        """The order as people see it."""
        return NO_KEY_SHOWN if self.order_id == NO_KEY else self.order_id


def order_named(name: str) -> str:
    """The order id that people mean by a name."""
    return NO_KEY if name == NO_KEY_SHOWN else name


@dataclass(frozen=True, slots=True)
class PartitionOrders:
    """The parked orders of one partition of the parked state, as of its offset ``end``."""

    partition: Partition
    end: int
    orders: Mapping[str, ParkedOrder]  # by order id


def parked_orders(reader: PartitionReader, sink: SinkSpec) -> Iterator[PartitionOrders]:
    """Read the parked state, one partition at a time: memory holds the orders of one partition."""
    partitions = all_partitions(reader, sink.parked_state)
    for partition, (first, end) in reader.bounds(partitions).items():
        found: dict[str, ParkedOrder] = {}
        for records in reader.stretch(partition, first, end):
            for record in records:
                _apply(found, record)
        yield PartitionOrders(partition, end, found)


def fence_of(record: Record) -> Fence | None:
    """The fence in a row of the parked state; None for a command, a tombstone and an unreadable row."""
    try:
        row = None if record.value is None else read_row(record.value)
    except ValueError:  # the worker logs it as an error
        return None
    return row if isinstance(row, Fence) else None


def row_name(record: Record) -> str:
    """The key of a row: an order id, or a command's name."""
    return (record.key or b"").decode("utf-8", "replace")


def _apply(found: dict[str, ParkedOrder], record: Record) -> None:
    order_id, fence = row_name(record), fence_of(record)
    if fence is not None:
        found[order_id] = ParkedOrder(record.partition, order_id, fence)
    elif record.value is None:
        found.pop(order_id, None)


def read_parked(
    reader: PartitionReader, sink: SinkSpec, orders: Collection[ParkedOrder]
) -> Iterator[tuple[ParkedOrder, list[ParkedRecord]]]:
    """Read the parked records of these orders, many orders in one pass, each in the sequence of a replay."""
    for number in sorted({order.partition_number for order in orders}):
        ours = [order for order in orders if order.partition_number == number and order.fence.last is not None]
        for start in range(0, len(ours), _ORDERS_IN_ONE_PASS):
            yield from _read_together(reader, Partition(sink.parks, number), ours[start : start + _ORDERS_IN_ONE_PASS])


def _read_together(
    reader: PartitionReader, partition: Partition, orders: list[ParkedOrder]
) -> Iterator[tuple[ParkedOrder, list[ParkedRecord]]]:
    spans = {order.order_id: (order.fence.first or 0, order.fence.last or 0) for order in orders}
    found: dict[str, list[Record]] = {order_id: [] for order_id in spans}
    last = max(end for _, end in spans.values())
    reached = -1
    while reached < last:
        left = {name: (max(first, reached + 1), end) for name, (first, end) in spans.items() if end > reached}
        wave = one_pass(reader, partition, left)
        for order_id, records in wave.orders.items():
            found[order_id] += records
        reached = max(wave.reached, reached + 1)
    for order in orders:
        yield order, parked_records(found[order.order_id])


def tracked_now(
    reader: PartitionReader, codec: OpenCodec, sink: SinkSpec, orders: Collection[ParkedOrder]
) -> dict[OrderKey, Tracked]:
    """The last row of each of these orders in the sink's tracked topic; none for a sink that tracks nothing.

    Raises `RegistryUnavailable`.
    """
    numbers = {order.partition_number for order in orders}
    partitions = [one for one in reader.partitions(sink.tracks) if one.number in numbers] if sink.tracks else []
    wanted, found = {order.key for order in orders}, dict[OrderKey, Tracked]()
    for partition, (first, end) in reader.bounds(partitions).items():
        for tracked in _rows(reader, codec, partition, first, end).values():
            key = OrderKey(partition.number, tracked.order_id)
            if key in wanted:
                found[key] = tracked
    return found


def _rows(
    reader: PartitionReader, codec: OpenCodec, partition: Partition, first: int, end: int
) -> dict[bytes | None, Tracked]:
    """By the rows' keys, the newest last; without those that have ended, and without unreadable ones."""
    rows: dict[bytes | None, Tracked] = {}
    for records in reader.stretch(partition, first, end):
        for record in records:
            rows.pop(record.key, None)
            if record.value is None:
                continue
            try:
                rows[record.key] = tracked_of(codec.decode(record.topic, record.value, record.headers), record.headers)
            except Undecodable:  # the worker logs it as an error
                continue
    return rows
