"""What has finished beyond a committed offset, as text for the commit's metadata.

Kafka keeps up to ``offset.metadata.max.bytes`` characters with a committed offset: 4096 by default, fewer on some
clusters (`MetadataLimit`). The text is a bitmap of ``[offset, end)``, compressed with zlib; what does not fit is cut
off at the end, and is repeated after a crash, never lost. The committed offset itself is never taken from the text.

A checksum binds the text to its offset, its partition and its topic's name. Tools that move commits (MirrorMaker 2,
an offset editor) copy the metadata unchanged to another offset; read there, records that were never sent would count
as finished. A text that was not written for the commit it is found at is ignored. The topic's id is not part of it:
the commands that read commits from outside know names only, and a topic that was recreated under its name is
found by `start_position.decide_start`.

The two forms of the release before (``or1r:``, ``or1b:``) have no checksum, and where they were written cannot be
verified. This release still trusts them: to ignore them would repeat at each upgrade all that had finished, and the
first commit of a new owner, a second later, replaces them. The next release ignores them.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from workers.core.record import CommitPoint, Partition

METADATA_LIMIT = 4096  # characters, by Kafka's default
MOST_OFFSETS = 2**24  # that a text covers: 2 MiB of bitmap, to be compressed at each commit
ALWAYS_FITS = 24_000  # offsets: their bitmap fits Kafka's default limit even if it does not compress
_PREFIX, _OLD_RUNS, _OLD_BITS = "or2:", "or1r:", "or1b:"
_STAMP, _STAMP_ROOM = "~", 11  # no character of base64; characters of a stamp until the year 2286
_CHECKSUM_BYTES = 8
_COUNT_BYTES = 4
_LAST_OFFSET = 2**63 - 1


@dataclass(slots=True)
class MetadataLimit:
    """How many characters the brokers keep with a commit. No right to ask them is needed: a refusal says it."""

    characters: int = METADATA_LIMIT

    def refused(self, points: Iterable[CommitPoint]) -> bool:
        """The broker has refused one of these commits as too large: from now on half of the longest text.

        False: none of them holds any text, so a shorter text is no help.
        """
        longest = max((len(point.metadata) for point in points), default=0)
        self.characters = min(self.characters, longest // 2)
        return longest > 0


@dataclass(frozen=True, slots=True)
class FinishedOffsets:
    """Which offsets of ``[base, end)`` have finished."""

    base: int
    end: int
    bitmap: bytes  # one bit an offset, lowest first; set: finished

    def __contains__(self, offset: int) -> bool:
        place = offset - self.base
        return 0 <= place < self.end - self.base and bool(self.bitmap[place >> 3] >> (place & 7) & 1)

    @classmethod
    def all_but(cls, base: int, end: int, unfinished: Iterable[int]) -> FinishedOffsets:
        """All of ``[base, end)`` has finished but these, ascending."""
        return cls(base, end, bytes(_bitmap(base, end, end, unfinished, None)))

    @classmethod
    def parse(cls, at: Partition, base: int, text: str | None) -> FinishedOffsets | None:
        """Read the metadata of a commit at ``base``; None when it is empty, or we did not write it for this commit."""
        if not is_ours(text) or text is None or len(text) > METADATA_LIMIT:
            return None
        prefix, _, encoded = text.partition(_STAMP)[0].partition(":")
        try:
            payload = base64.b64decode(encoded.encode("ascii"), validate=True)
            count, bitmap = _read(at, base, payload) if prefix + ":" == _PREFIX else _read_old(prefix + ":", payload)
        except (binascii.Error, ValueError, zlib.error):
            return None
        return cls(base, base + count, bitmap) if base + count <= _LAST_OFFSET else None


def stamped(text: str, now_s: int) -> str:
    """The metadata with the time of the commit (seconds since 1970): a member that is gone commits no more."""
    return f"{text}{_STAMP}{now_s}"


def stamp_of(text: str | None) -> int | None:
    """When the commit was made, in seconds since 1970; None: its metadata does not say."""
    found = re.fullmatch(rf"[^{_STAMP}]*{_STAMP}(\d{{1,12}})", text or "")
    return int(found[1]) if found else None


def is_ours(text: str | None) -> bool:
    """Whether we have written the metadata, for this commit or for another."""
    return text is not None and text.startswith((_PREFIX, _OLD_RUNS, _OLD_BITS))


def encode(
    at: Partition,
    base: int,
    position: int,
    unfinished: Iterable[int],
    carried: FinishedOffsets | None = None,
    *,
    limit: int = METADATA_LIMIT,
) -> str:
    """Metadata for a commit at ``base``: ``unfinished`` ascending, all else below ``position`` finished.

    ``carried``: what a former owner had finished further on, and we have not fetched yet. ``limit``: in characters.
    """
    end = _end(base, position, carried)
    if end == base:
        return ""
    bitmap = _bitmap(base, end, position, unfinished, carried)
    count = end - base
    compressed = zlib.compress(bitmap)
    if len(compressed) > _room(limit):
        bitmap = _cut(bitmap, _room(limit))
        if not bitmap:
            return ""
        count, compressed = 8 * len(bitmap), zlib.compress(bitmap)
    payload = count.to_bytes(_COUNT_BYTES, "big") + compressed
    return _PREFIX + base64.b64encode(_checksum(at, base, payload) + payload).decode()


def fits(
    base: int,
    position: int,
    unfinished: Iterable[int],
    carried: FinishedOffsets | None = None,
    *,
    limit: int = METADATA_LIMIT,
) -> bool:
    """Whether `encode` of the same leaves nothing out, or so few offsets that a restart may repeat them."""
    end = max(position, carried.end if carried else base)
    if end - base <= ALWAYS_FITS:
        return True
    if end - base > MOST_OFFSETS:
        return False
    return len(zlib.compress(_bitmap(base, end, position, unfinished, carried))) <= _room(limit)


def _room(limit: int) -> int:
    """Bytes that the compressed bitmap may have in a text of so many characters."""
    return (limit - len(_PREFIX) - _STAMP_ROOM) // 4 * 3 - _CHECKSUM_BYTES - _COUNT_BYTES


def _end(base: int, position: int, carried: FinishedOffsets | None) -> int:
    return min(max(position, carried.end if carried else base), base + MOST_OFFSETS)


def _bitmap(
    base: int, end: int, position: int, unfinished: Iterable[int], carried: FinishedOffsets | None
) -> bytearray:
    """One bit an offset of ``[base, end)``; from ``position`` on as carried."""
    bits = bytearray(b"\xff") * ((end - base + 7) // 8)
    if (end - base) % 8:
        bits[-1] = (1 << (end - base) % 8) - 1
    for offset in unfinished:
        if offset >= end:
            break
        bits[(offset - base) >> 3] &= ~(1 << ((offset - base) & 7))
    if carried is not None and end > position:
        ours = (1 << (position - base)) - 1
        theirs = int.from_bytes(carried.bitmap, "little") >> (base - carried.base)
        whole = int.from_bytes(bits, "little")
        bits = bytearray((whole & (ours | theirs)).to_bytes(len(bits), "little"))
    return bits


def _cut(bitmap: bytearray, room: int) -> bytearray:
    """The longest first part that fits, found by halving; empty where none does."""
    fitting, too_long = 0, len(bitmap)
    while too_long - fitting > 1:
        middle = (fitting + too_long) // 2
        if len(zlib.compress(bitmap[:middle])) <= room:
            fitting = middle
        else:
            too_long = middle
    return bitmap[:fitting]


def _checksum(at: Partition, base: int, payload: bytes) -> bytes:
    return blake2b(f"{at.topic}/{at.number}/{base}/".encode() + payload, digest_size=_CHECKSUM_BYTES).digest()


def _read(at: Partition, base: int, payload: bytes) -> tuple[int, bytes]:
    """The number of offsets and their bitmap; raises `ValueError` where the checksum is another's."""
    checksum, content = payload[:_CHECKSUM_BYTES], payload[_CHECKSUM_BYTES:]
    if checksum != _checksum(at, base, content):
        raise ValueError("written for another offset, partition or topic")
    count = int.from_bytes(content[:_COUNT_BYTES], "big")
    bitmap = zlib.decompressobj().decompress(content[_COUNT_BYTES:], MOST_OFFSETS // 8 + 1)
    if count > MOST_OFFSETS or len(bitmap) != (count + 7) // 8:
        raise ValueError("not the bitmap of so many offsets")
    return count, bitmap


def _read_old(prefix: str, payload: bytes) -> tuple[int, bytes]:
    """The number of offsets and their bitmap, from run lengths or from a bitmap without its length."""
    if prefix == _OLD_BITS:
        return int.from_bytes(payload, "little").bit_length(), payload
    runs, end, is_finished = [], 0, False
    for length in _run_lengths(payload):
        if end + length > MOST_OFFSETS:
            break  # a restart repeats what lies further on
        runs.append(("1" if is_finished else "0") * length)
        end, is_finished = end + length, not is_finished
    bits = "".join(runs)[::-1]  # the lowest offset last, as in a number
    return end, int(bits or "0", 2).to_bytes((end + 7) // 8, "little")


def _run_lengths(payload: bytes) -> list[int]:
    """Unsigned LEB128: unfinished, finished, unfinished, ..."""
    lengths, value, shift = [], 0, 0
    for byte in payload:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            lengths.append(value)
            value = shift = 0
    if shift:
        raise ValueError("cut in a number")
    return lengths
