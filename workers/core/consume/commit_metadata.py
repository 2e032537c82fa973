"""What has finished beyond a committed offset, as text for the commit's metadata.

Kafka keeps up to 4096 characters with a committed offset
(``offset.metadata.max.bytes``). They hold the run lengths of ``[offset, end)``,
or its bitmap when the run lengths do not fit. What does not fit either way is
cut off at the end: it is then repeated after a crash, never lost. Text that is
not ours is ignored, and the committed offset itself is never taken from it.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

METADATA_LIMIT = 4096
_RUNS, _BITS = "or1r:", "or1b:"
_PAYLOAD_LIMIT = (METADATA_LIMIT - len(_RUNS)) // 4 * 3
_BITS_LIMIT = _PAYLOAD_LIMIT * 8
_LAST_OFFSET = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FinishedOffsets:
    """The finished offsets of ``[base, end)``: all but the unfinished ones."""

    base: int
    end: int
    starts: tuple[int, ...]  # of the unfinished runs, ascending
    stops: tuple[int, ...]  # exclusive, one for each start

    def __contains__(self, offset: int) -> bool:
        if not self.base <= offset < self.end:
            return False
        run = bisect_right(self.starts, offset) - 1
        return run < 0 or offset >= self.stops[run]

    @classmethod
    def parse(cls, base: int, text: str | None) -> FinishedOffsets | None:
        """Read a commit's metadata; None when it is empty or not ours."""
        if not text or len(text) > METADATA_LIMIT or text[: len(_RUNS)] not in (_RUNS, _BITS):
            return None
        try:
            payload = base64.b64decode(text[len(_RUNS) :].encode("ascii"), validate=True)
            lengths = list(_lengths(payload)) if text.startswith(_RUNS) else list(_bit_runs(payload))
        except (binascii.Error, ValueError):
            return None
        if base + sum(lengths) > _LAST_OFFSET:
            return None
        return _from_lengths(base, lengths)


def encode(base: int, position: int, unfinished: Iterable[int], carried: FinishedOffsets | None = None) -> str:
    """Metadata for a commit at ``base``: ``unfinished`` ascending, all else below ``position`` finished.

    ``carried``: what a former owner had finished further on, still to be met.
    """
    lengths = _told(base, position, unfinished, carried)
    if not lengths:
        return ""
    kept = _cut(lengths)
    if len(kept) == len(lengths) or sum(kept) >= _BITS_LIMIT:
        return _RUNS + base64.b64encode(_varints(kept)).decode()
    return _BITS + base64.b64encode(_bitmap(lengths)).decode()


def can_tell(base: int, position: int, unfinished: Iterable[int], carried: FinishedOffsets | None = None) -> bool:
    """Whether `encode` of the same leaves nothing out."""
    if max(position, carried.end if carried else 0) - base <= _BITS_LIMIT:
        return True  # a bit for each offset fits, however they lie
    lengths = _told(base, position, unfinished, carried)
    return sum(lengths) <= _BITS_LIMIT or len(_cut(lengths)) == len(lengths)


def _told(base: int, position: int, unfinished: Iterable[int], carried: FinishedOffsets | None) -> list[int]:
    """Run lengths from ``base``: unfinished, finished, unfinished, ... up to the last offset fetched."""
    runs: Iterable[tuple[int, int]] = ((offset, offset + 1) for offset in unfinished)
    end = position
    if carried is not None and carried.end > position:
        pairs = zip(carried.starts, carried.stops, strict=True)
        runs = chain(runs, ((max(start, position), stop) for start, stop in pairs if stop > position))
        end = carried.end
    lengths = _to_lengths(base, end, runs)
    return lengths if any(lengths) else []  # an unfinished tail says what may have been sent


def _to_lengths(base: int, end: int, unfinished: Iterable[tuple[int, int]]) -> list[int]:
    """Alternating run lengths of ``[base, end)``: unfinished, finished, unfinished, ..."""
    lengths = [0]
    at = base
    for start, stop in unfinished:
        if start > at:
            lengths += [start - at, 0]  # a finished run ended here
        lengths[-1] += stop - start
        at = stop
    if end > at:
        lengths.append(end - at)
    return lengths


def _varints(lengths: Iterable[int]) -> bytes:
    out = bytearray()
    for length in lengths:
        rest = length
        while rest >> 7:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _cut(lengths: list[int]) -> list[int]:
    """As many whole pairs of runs as fit."""
    size = 0
    for pair in range(0, len(lengths), 2):
        size += len(_varints(lengths[pair : pair + 2]))
        if size > _PAYLOAD_LIMIT:
            return lengths[:pair]
    return lengths


def _lengths(payload: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in payload:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0
    if shift:
        raise ValueError("cut in a number")


def _bitmap(lengths: list[int]) -> bytes:
    """One bit an offset, lowest first, set where finished; as many as fit."""
    bits = at = 0
    for index, length in enumerate(lengths):
        stop = min(at + length, _BITS_LIMIT)
        if index % 2:
            bits |= ((1 << (stop - at)) - 1) << at
        at = stop
    return bits.to_bytes((at + 7) // 8, "little")


def _bit_runs(payload: bytes) -> Iterator[int]:
    """Alternating run lengths again; the zero bits after the last finished offset say nothing."""
    bits = bin(int.from_bytes(payload, "little"))[:1:-1]
    at, finished = 0, False
    while at < len(bits):
        stop = bits.find("0" if finished else "1", at)
        stop = len(bits) if stop < 0 else stop
        yield stop - at
        at, finished = stop, not finished


def _from_lengths(base: int, lengths: list[int]) -> FinishedOffsets:
    starts, stops = [], []
    at = base
    for index, length in enumerate(lengths):
        if not index % 2 and length:
            starts.append(at)
            stops.append(at + length)
        at += length
    return FinishedOffsets(base, at, tuple(starts), tuple(stops))
