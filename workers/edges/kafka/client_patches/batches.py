"""Record batches and their headers: what kafka-python cannot read, unpacks whole, or refuses to write."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from kafka import codec
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

from workers.core.record import Headers

# A header key that is no UTF-8. No broker checks a key, and kafka-python decodes it strictly (default_records.py,
# `_read_msg`): the consumer raises at such a record, again and again, and every record behind it waits for ever.
# Such a key is read as a `HeaderKey`, which keeps its bytes. No upstream issue is known.


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


class _Slice(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        try:
            return super().decode(encoding, errors)
        except UnicodeDecodeError:
            return HeaderKey.of(bytes(self))


class _LenientBuffer(bytearray):
    """A batch's bytes whose slices decode to a `HeaderKey` where they are no UTF-8."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Slice(found) if isinstance(index, slice) else found


class _Batch(DefaultRecordBatch):  # type: ignore[misc] # kafka-python has no types
    """Unpacks a part at a time, and reads as kafka-python does, at its speed, until a header key is no UTF-8."""

    _buffer: Any  # kafka-python's own slots
    _pos: int
    _decompressed: bool
    _packed: Iterator[bytes]  # what is still to be unpacked

    def _maybe_uncompress(self) -> None:
        """Called before the first record is read; later calls change nothing."""
        kind = self.compression_type
        if self._decompressed or kind == self.CODEC_NONE:
            self._decompressed = True
            return
        if kind not in _STREAMS:
            self._assert_has_codec(kind)  # raises
        self._packed = _STREAMS[kind](bytes(memoryview(self._buffer)[self._pos :]))
        self._buffer, self._pos, self._decompressed = bytearray(), 0, True

    def _unpack_next_record(self) -> None:
        """Unpack on until the buffer holds the whole next record, or all that is left."""
        while self._missing_bytes() > 0 and (part := next(self._packed, b"")):
            del self._buffer[: self._pos]
            self._pos = 0
            self._buffer += part

    def _missing_bytes(self) -> int:
        """How many bytes the buffer lacks for the next record, at least."""
        left = len(self._buffer) - self._pos
        if left < _LONGEST_VARINT:
            return _LONGEST_VARINT - left
        length, start = decode_varint(self._buffer, self._pos)
        if length > MAX_UNPACKED_BYTES:
            raise _too_large(length)
        return int(start + length - len(self._buffer))

    def _read_msg(self) -> Any:
        if self.compression_type != self.CODEC_NONE:
            self._unpack_next_record()
        try:
            return super()._read_msg()
        except UnicodeDecodeError:  # a header key: nothing else of a record is decoded, and no position has moved
            self._buffer = _LenientBuffer(self._buffer)
            return super()._read_msg()


# A batch that is small only while it is packed. kafka-python bounds what it fetches, packed, and unpacks a batch whole
# (codec.py: `zstd_decode` and the like have no bound); then `poll` returns up to ``max_poll_records`` of whatever size.
# One MiB of repeated text can be hundreds of MiB of records: the process is killed, and again at the same offset.
# So a batch is unpacked a part at a time, and a poll ends with the partition that gave `fetches.TAKE_BYTES`. One record
# that is too large stops its partition by name, as one that cannot be read. The fault is in every release: KIP-74
# bounds the packed bytes only.

MAX_UNPACKED_BYTES = 24 * 1024 * 1024
"""Of one record; and of what snappy cannot unpack in parts, at most 21 times the 1 MiB that a batch has by default."""
_PART_BYTES = 256 * 1024  # unpacked at a time: each paused partition may keep so much
_LONGEST_VARINT = 5


def _too_large(size: int) -> ValueError:
    return ValueError(f"it unpacks to {size} bytes, and the relay takes {MAX_UNPACKED_BYTES}")


def _parts(stream: Any) -> Iterator[bytes]:
    return iter(partial(stream.read, _PART_BYTES), b"")


def _snappy_parts(packed: bytes) -> Iterator[bytes]:
    """The blocks of Java's framing, or the one block of other clients."""
    if not codec._detect_xerial_stream(packed):  # noqa: SLF001 - no public way
        yield _snappy_block(packed)
        return
    place = 16
    while place < len(packed):
        end = place + 4 + int.from_bytes(packed[place : place + 4], "big")
        yield _snappy_block(packed[place + 4 : end])
        place = end


def _snappy_block(packed: bytes) -> bytes:
    size, shift = 0, 0
    for byte in packed[:_LONGEST_VARINT]:  # unsigned LEB128, before the content
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    if size > MAX_UNPACKED_BYTES:
        raise _too_large(size)
    return bytes(codec.snappy.decompress(packed))


_STREAMS: Mapping[int, Callable[[bytes], Iterator[bytes]]] = {
    DefaultRecordBatch.CODEC_GZIP: lambda packed: _parts(gzip.GzipFile(fileobj=io.BytesIO(packed))),
    DefaultRecordBatch.CODEC_SNAPPY: _snappy_parts,
    DefaultRecordBatch.CODEC_LZ4: lambda packed: _parts(codec.lz4.open(io.BytesIO(packed))),
    DefaultRecordBatch.CODEC_ZSTD: lambda packed: _parts(
        codec.zstd.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    ),
}


# A header without a value. Kafka's protocol has them, and kafka-python's builder writes them, but
# `KafkaProducer.send` refuses every value that is not bytes, and its sum of the headers' sizes, made only for a true
# list of headers, fails on None: a record with such a header could not be parked. Upstream knows of the check (pull
# request 2004 made its consumer read such headers, "because we explicitly assert types" in the producer).


class _Headers(list[Any]):
    """Headers that count as false: kafka-python sums up the sizes only of headers that are true."""

    def __bool__(self) -> bool:
        return False


class _NullHeader(tuple[str, None]):
    """A header without a value: empty by index, as the check looks, and None when unpacked, as it is written."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        return b"" if index == 1 else super().__getitem__(index)


def producer_headers(headers: Headers) -> list[Any]:
    """Headers as `KafkaProducer.send` takes them, null values kept."""
    if all(value is not None for _, value in headers):
        return list(headers)
    return _Headers(item if item[1] is not None else _NullHeader((item[0], None)) for item in headers)


def patch() -> None:
    """Read batches as this module does."""
    memory_records.DefaultRecordBatch = _Batch
