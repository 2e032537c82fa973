"""What a consumer takes out of its fetches."""

from itertools import islice
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import KafkaError, StaleMetadata
from kafka.record.default_records import DefaultRecordBatch

from workers.core.record import Partition

# A poll that brings hundreds of MiB: see `batches`, a batch that is small only while it is packed.

TAKE_BYTES = 1024 * 1024  # of records, from one partition in one poll; the last of them may be larger
RELEASED_APPEND = Fetcher._append  # noqa: SLF001 - no public way
"""As kafka-python released it."""


def _append_within_bytes(fetcher: Any, drained: Any, part: Any, max_records: int, update_offsets: bool) -> int:
    """How many of ``max_records`` the partition has used up: all of them where it gave enough bytes."""
    before = part.bytes_read
    taken = RELEASED_APPEND(fetcher, drained, part, max_records, update_offsets)
    return max_records if part.bytes_read - before >= TAKE_BYTES else int(taken)


def _take_within_bytes(records: Any, most: int | None) -> list[Any]:
    """As `RELEASED_TAKE`, but of `TAKE_BYTES`."""
    records._maybe_raise_next_inline_exception()  # noqa: SLF001 - no public way
    taken: list[Any] = []
    enough = records.bytes_read + TAKE_BYTES
    try:
        for record in islice(records.record_iterator, most):
            taken.append(record)
            if records.bytes_read >= enough:
                break
    except Exception as error:
        if not taken:
            raise
        records._next_inline_exception = error  # noqa: SLF001 - no public way
    return taken


# A record that cannot be read. After an error in the middle of a fetch (a wrong checksum, a codec's error),
# `Fetcher.PartitionRecords.take` leaves its used-up iterator in place: it counts as full, gives nothing, and
# `Fetcher.fetched_records` asks it again without end. ``poll`` does not return, and no partition of the worker goes
# on. So the rest of the fetch is dropped, and the error says where it happened. No upstream issue is known.

RELEASED_TAKE = Fetcher.PartitionRecords.take
"""As kafka-python released it."""


class DamagedError(KafkaError):  # type: ignore[misc] # kafka-python has no types
    """The record at ``offset``, or a batch that begins there, cannot be read."""

    def __init__(self, partition: Partition, offset: int, why: str) -> None:
        super().__init__(f"{partition} cannot be read at offset {offset}: {why}")
        self.partition = partition
        self.offset = offset
        self.why = why


def _take_or_drop(records: Any, n: int | None = None) -> Any:
    try:
        return _take_within_bytes(records, n)
    except Exception as error:  # a wrong checksum or structure, a codec's own error
        partition = Partition(records.topic_partition.topic, records.topic_partition.partition)
        records.drain()
        raise DamagedError(partition, records.next_fetch_offset, f"{type(error).__name__}: {error}"[:300]) from error


# The wait of a fetch that finds nothing. kafka-python takes it once, with the consumer's options; each such fetch costs
# a worker that has nothing to do. A missing feature, not a fault; no upstream issue is known.

_FETCH_WAIT_MS = "fetch_max_wait_ms"  # the option's name


def wait_in_fetches(consumer: KafkaConsumer, at_least_ms: int) -> None:
    """Have the broker answer later fetches when it has a record, or after so long, and not before the option's time."""
    consumer._fetcher.config[_FETCH_WAIT_MS] = max(consumer.config[_FETCH_WAIT_MS], at_least_ms)  # noqa: SLF001 - no public way


# A resumed partition that is not fetched. `Fetcher.fetched_records` puts back what a paused partition had fetched only
# while its in-line slot is None, but leaves a used-up batch in that slot. The resumed partition then counts as having
# data, is not fetched, and delivers nothing more: a merge that waits for it would wait for ever. The fault came with
# upstream's pull request 2981 (KAFKA-7548).


def release_drained_slot(consumer: KafkaConsumer) -> None:
    """Empty the fetcher's in-line slot when its batch has been used up; to be called before each poll."""
    fetcher = consumer._fetcher  # noqa: SLF001 - no public way
    used = getattr(fetcher, "_next_partition_records", None)
    if used is not None and not used:
        fetcher._next_partition_records = None  # noqa: SLF001 - no public way


# A search for a few records among many. kafka-python makes an object of each record, 30 us, before the caller can say
# that it does not want it: a partition of 80,000 records takes seconds. What a batch holds unpacked can be searched as
# it is, a thousand times as fast, and a batch without the wanted bytes passes as one without records, as the batch of a
# transaction marker does.


class _Wanted:
    """A fetch's batches, those without any of the wanted bytes emptied."""

    def __init__(self, records: Any, wanted: tuple[bytes, ...]) -> None:
        self._records = records
        self._wanted = wanted

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        # The fetcher itself reads the record of a transaction's marker: without it an abort would go unseen.
        is_plain = isinstance(batch, DefaultRecordBatch) and batch.compression_type == batch.CODEC_NONE
        if is_plain and not batch.is_control_batch:
            buffer = batch._buffer  # noqa: SLF001 - no public way
            if not any(one in buffer for one in self._wanted):
                batch._num_records, batch._pos = 0, len(buffer)  # noqa: SLF001 - no public way
        return batch


def search(consumer: KafkaConsumer, wanted: tuple[bytes, ...]) -> None:
    """From now on hand over at least each record whose key, value or headers hold one of these bytes; (): each."""

    class Searching(Fetcher.PartitionRecords):  # type: ignore[misc] # kafka-python has no types
        def _unpack_records(self, tp: Any, records: Any, *deserializers: Any) -> Any:
            return super()._unpack_records(tp, _Wanted(records, wanted) if wanted else records, *deserializers)

    consumer._fetcher.PartitionRecords = Searching  # noqa: SLF001 - no public way


# A partition that the client's metadata lack. `Fetcher._group_list_offset_requests` leaves it out of a question for the
# ends of several partitions, and `beginning_or_end_offset` then raises `KeyError`: a topic that has got more partitions
# ended the worker. No upstream issue is known. The metadata are being asked for by then: a later question succeeds.

RELEASED_OFFSETS = Fetcher.beginning_or_end_offset
"""As kafka-python released it."""


def _offsets_or_stale(fetcher: Any, partitions: Any, timestamp: Any, timeout_ms: int | None = None) -> Any:
    try:
        return RELEASED_OFFSETS(fetcher, partitions, timestamp, timeout_ms)
    except KeyError as error:
        raise StaleMetadata(f"{error} is not known yet") from error


def patch() -> None:
    """Take from fetches as this module does."""
    Fetcher.PartitionRecords.take = _take_or_drop
    Fetcher.beginning_or_end_offset = _offsets_or_stale
    Fetcher._append = _append_within_bytes  # noqa: SLF001 - no public way
