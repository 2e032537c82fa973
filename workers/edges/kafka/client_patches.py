"""Records that kafka-python 3.0.12 cannot read: made readable where only a header's key is odd, named where not.

Two changes to kafka-python itself, for it has no place to put them; `mend` makes both, before a consumer is opened.

A header key is a string to Kafka, but no broker looks at it, and kafka-python's ``decode`` raises: every record
behind it would wait for ever. Such a key is read as a `HeaderKey`, which keeps its bytes.

After an error in the middle of a fetch kafka-python keeps the used-up rest in line, finds it empty and asks it
again, for ever: ``poll`` would not return, and no partition of the worker would go on. So the rest is let go, and
the error says where it happened.
"""

from __future__ import annotations

from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import KafkaError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from workers.core.record import Partition

_PartitionRecords = Fetcher.PartitionRecords
_take = _PartitionRecords.take


class DamagedError(KafkaError):  # type: ignore[misc] # kafka-python has no types
    """The record at ``offset``, or a batch that begins there, cannot be read."""

    def __init__(self, at: Partition, offset: int, why: str) -> None:
        super().__init__(f"{at} cannot be read at offset {offset}: {why}")
        self.at = at
        self.offset = offset
        self.why = why


class HeaderKey(str):
    """A header key that is no UTF-8: escaped where it is shown, its own bytes where it is written again."""

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> HeaderKey:
        key = cls(raw.decode(errors="backslashreplace"))
        key.raw = raw
        return key

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - as str has it
        """The bytes as they came: kafka-python calls this to write a header."""
        return self.raw


class _Piece(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        try:
            return super().decode(encoding, errors)
        except UnicodeDecodeError:
            return HeaderKey.of(bytes(self))


class _Lenient(bytearray):
    """A batch's bytes whose slices decode to a `HeaderKey` where they are no text."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Piece(found) if isinstance(at, slice) else found


class _Batch(DefaultRecordBatch):  # type: ignore[misc] # the same
    """Reads as kafka-python does, at its speed, until a header key is no UTF-8."""

    __slots__ = ()
    _buffer: Any  # kafka-python's own slot

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:  # a header key: nothing else of a record is decoded, and no position has moved
            self._buffer = _Lenient(self._buffer)
            return super()._read_msg()


def _take_or_let_go(records: Any, n: int | None = None) -> Any:
    try:
        return _take(records, n)
    except Exception as error:  # a wrong checksum or structure, a codec's own error
        at = Partition(records.topic_partition.topic, records.topic_partition.partition)
        records.drain()
        raise DamagedError(at, records.next_fetch_offset, f"{type(error).__name__}: {error}"[:300]) from error


def mend() -> None:
    """Change kafka-python as the module's docstring says; again is the same as once."""
    memory_records.DefaultRecordBatch = _Batch
    _PartitionRecords.take = _take_or_let_go
