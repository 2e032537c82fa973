"""Reads parked records for many orders at once: one pass over a partition for a whole wave of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from kafka.errors import OffsetOutOfRangeError

from workers.core.parked.headers import order_of
from workers.core.record import Partition, Record
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.errors import kafka_errors
from workers.edges.kafka.reader import PartitionReader, new_reader

MAX_PASS_BYTES = 16 * 1024 * 1024
PASS_WITHIN_S = 120.0
_GAP = 1_000  # offsets: a seek costs more than reading over a smaller gap


def value_size(record: Record) -> int:
    """Bytes of its value."""
    return len(record.value or b"")


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a pass ends early, so that memory stays bounded whatever the records' size, and time too."""

    most: int = MAX_PASS_BYTES
    cost: Callable[[Record], int] = value_size  # how much of ``most`` a record takes
    within_s: float = PASS_WITHIN_S  # a pass that takes half of it ends early, one that takes all of it has failed


@dataclass(frozen=True, slots=True)
class Wave:
    """What one pass found, and how far it came."""

    orders: dict[str, list[Record]]  # by order id
    reached: int  # all wanted records up to this offset have been found


_BOUND = Bound()


class ParkedReader:
    """One consumer, kept open from wave to wave: to open one for each order would be the slowest part of a replay."""

    def __init__(
        self, connection: KafkaConnection, open_reader: Callable[[KafkaConnection], PartitionReader] = new_reader
    ) -> None:
        self._connection = connection
        self._open_reader = open_reader
        self._reader: PartitionReader | None = None

    async def read(self, partition: Partition, wanted: Mapping[str, tuple[int, int]], bound: Bound = _BOUND) -> Wave:
        """Read the committed records of these orders between their (first, last) offsets; raises `KafkaFailed`."""
        # A read that fails or hangs keeps the reader that it has taken, and the next read opens another.
        reader, self._reader = self._reader, None
        # The thread gives the reader back, or closes it if this read has been left: otherwise it would stay open.
        given_back: Future[PartitionReader] = Future()

        def read() -> Wave:
            return _read(reader or self._open_reader(self._connection), given_back, partition, wanted, bound)

        with kafka_errors(self._connection):
            try:
                return await run_in_daemon_thread(read, bound.within_s)
            except TimeoutError as error:
                raise KafkaFailed(f"{partition} could not be read within {bound.within_s:g} s") from error
            finally:
                if not given_back.cancel():
                    self._reader = given_back.result()

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await asyncio.to_thread(reader.close)


def _read(
    reader: PartitionReader,
    given_back: Future[PartitionReader],
    partition: Partition,
    wanted: Mapping[str, tuple[int, int]],
    bound: Bound,
) -> Wave:
    try:
        wave = one_pass(reader, partition, wanted, bound)
        given_back.set_result(reader)  # raises if it was cancelled
    except BaseException:
        reader.close()
        raise
    return wave


def one_pass(
    reader: PartitionReader, partition: Partition, wanted: Mapping[str, tuple[int, int]], bound: Bound = _BOUND
) -> Wave:
    """Read once over what these orders have parked; blocking, and raises kafka-python's errors."""
    oldest = reader.oldest(partition)
    until = monotonic() + bound.within_s / 2  # an open transaction may hold the reading up
    found: defaultdict[str, list[Record]] = defaultdict(list)
    size, reached = 0, -1
    for first, last in stretches(wanted.values()):
        for records in _stretch(reader, partition, max(first, oldest), last + 1):
            for record in records:
                if _is_wanted(record, wanted.get(order_id := order_of(record))):
                    found[order_id].append(record)
                    size += bound.cost(record)
            reached = records[-1].offset if records else reached
            if size >= bound.most or monotonic() > until:
                return Wave(found, reached)
    return Wave(found, max(last for _, last in wanted.values()))


def _stretch(reader: PartitionReader, partition: Partition, first: int, end: int) -> Iterator[list[Record]]:
    """A range of the partition; nothing where it begins beyond the end: the topic was recreated."""
    try:
        yield from reader.stretch(partition, first, end)
    except OffsetOutOfRangeError:
        if first < reader.bounds([partition])[partition].end:
            raise  # records have expired since the oldest offset was asked for: the caller's next try asks for it again


def _is_wanted(record: Record, offsets: tuple[int, int] | None) -> bool:
    return offsets is not None and offsets[0] <= record.offset <= offsets[1]


def stretches(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The (first, last) ranges in order; those that overlap or nearly touch become one."""
    ordered = sorted(ranges)
    first, last = ordered[0]
    for begin, end in ordered[1:]:
        if begin > last + _GAP:
            yield first, last
            first, last = begin, end
        last = max(last, end)
    yield first, last
