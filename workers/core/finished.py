"""What has finished beyond a committed offset, as text for the commit's metadata.

Kafka keeps up to 4096 characters with a committed offset
(``offset.metadata.max.bytes``). They hold the run lengths or the bitmap of
``[offset, end)``, whichever is shorter. What does not fit is cut off at the
end: it is then repeated after a crash, never lost. Text that is not ours is
ignored, and the committed offset itself is never taken from it.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

METADATA_LIMIT = 4096
_RUNS, _BITS = "or1r:", "or1b:"
_PAYLOAD_LIMIT = (METADATA_LIMIT - len(_RUNS)) // 4 * 3


@dataclass(frozen=True, slots=True)
class Finished:
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
    def parse(cls, base: int, text: str | None) -> Finished | None:
        """Read a commit's metadata; None when it is empty or not ours."""
        if not text or text[: len(_RUNS)] not in (_RUNS, _BITS):
            return None
        try:
            payload = base64.b64decode(text[len(_RUNS) :].encode("ascii"), validate=True)
            lengths = list(_lengths(payload)) if text.startswith(_RUNS) else list(_bit_runs(payload))
        except (binascii.Error, ValueError):
            return None
        return _from_lengths(base, lengths)


def encode(base: int, position: int, unfinished: Iterable[int], carried: Finished | None = None) -> str:
    """Metadata for a commit at ``base``: ``unfinished`` ascending, all else below ``position`` finished.

    ``carried``: what a former owner had finished further on, still to be met.
    """
    lengths = _to_lengths(base, position, unfinished)
    if carried is not None:
        lengths = _extend(lengths, position, carried)
    if len(lengths) % 2:
        lengths.pop()  # an unfinished tail says nothing
    if not lengths:
        return ""
    runs = _varints(lengths)
    span = sum(lengths)
    if len(runs) <= _PAYLOAD_LIMIT or span > _PAYLOAD_LIMIT * 8:
        return _RUNS + base64.b64encode(_cut(lengths)).decode()
    return _BITS + base64.b64encode(_bitmap(lengths)).decode()


def _to_lengths(base: int, position: int, unfinished: Iterable[int]) -> list[int]:
    """Alternating run lengths from ``base``: unfinished, finished, unfinished, ..."""
    lengths = [0]
    at = base
    for offset in unfinished:
        if offset > at:
            lengths += [offset - at, 0]  # a finished run ended here
        lengths[-1] += 1
        at = offset + 1
    if position > at:
        lengths.append(position - at)
    return lengths


def _extend(lengths: list[int], position: int, carried: Finished) -> list[int]:
    """Append what ``carried`` tells of ``[position, carried.end)``."""
    unfinished = [
        offset
        for start, stop in zip(carried.starts, carried.stops, strict=True)
        for offset in range(max(start, position), stop)
    ]
    more = _to_lengths(position, carried.end, unfinished)
    if len(lengths) % 2:  # ends in an unfinished run
        return [*lengths[:-1], lengths[-1] + more[0], *more[1:]]
    return [*lengths[:-1], lengths[-1] + more[1], *more[2:]] if not more[0] and len(more) > 1 else lengths + more


def _varints(lengths: Iterable[int]) -> bytes:
    out = bytearray()
    for length in lengths:
        rest = length
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _cut(lengths: list[int]) -> bytes:
    """As many whole pairs of runs as fit."""
    out = b""
    for pair in range(0, len(lengths), 2):
        more = _varints(lengths[pair : pair + 2])
        if len(out) + len(more) > _PAYLOAD_LIMIT:
            break
        out += more
    return out


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
    """One bit an offset, lowest first, set where finished."""
    bits = at = 0
    for index, length in enumerate(lengths):
        if index % 2:
            bits |= ((1 << length) - 1) << at
        at += length
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


def _from_lengths(base: int, lengths: list[int]) -> Finished:
    starts, stops = [], []
    at = base
    for index, length in enumerate(lengths):
        if not index % 2 and length:
            starts.append(at)
            stops.append(at + length)
        at += length
    return Finished(base, at, tuple(starts), tuple(stops))
