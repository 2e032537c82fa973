"""An order's last published state, from which a poller tells what has changed, in few bytes.

A poller holds up to a million of them in memory, packed as in their rows of the state topic, and unpacks one when it
reads the order.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Any, Final, Self
from zlib import crc32

import orjson

from workers.core.poll.change import DIGEST_BYTES, FINAL, PROGRESS, QUIET, ChangeOp, Stage, StageChange, VendorOrder

_HEAD: Final = Struct(f"<I q B i B B {DIGEST_BYTES}s".replace(" ", ""))
_NO_CODE: Final = -(2**31)
_MAX_TEXT_BYTES: Final = 255
_HASH_BYTES: Final = 4
_UNREAD: Final = bytes(_HASH_BYTES)  # in the place of a field's hash: the vendor was not asked for the field
_CLOSED_SHORT: Final = "closed_short"


@dataclass(frozen=True, slots=True)
class LastPublished:
    sequence: int
    changed_ms: int  # when the last change was observed
    stage: Stage
    digest: bytes
    field_hashes: bytes = b""  # of each top-level field, in the sequence of the vendor's list; empty: compacted

    @property
    def is_open(self) -> bool:
        """Whether further stages are expected."""
        return self.stage.progress not in FINAL

    @property
    def is_swept(self) -> bool:
        """Whether a sweep reads it: the parcels of an order that was closed short may still be on their way."""
        return self.is_open or self.stage.progress == _CLOSED_SHORT

    def may_rest(self, now_ms: int, rest_ms: int) -> bool:
        """Whether it is in a quiet stage and unchanged for ``rest_ms``, so that its field hashes may be dropped."""
        return self.stage.progress in QUIET and now_ms - self.changed_ms >= rest_ms

    @property
    def is_compacted(self) -> bool:
        """Whether its field hashes and description have been dropped."""
        return not self.field_hashes and not self.stage.description

    def compacted(self) -> Self:
        """Without its field hashes and description; sequence and digest stay, or its last event would repeat."""
        return replace(self, field_hashes=b"", stage=replace(self.stage, description=""))

    def pack(self) -> bytes:
        """The bytes of its row; texts are cut to 255 bytes."""
        name, description = _cut(self.stage.name), _cut(self.stage.description)
        head = _HEAD.pack(
            self.sequence,
            self.changed_ms,
            PROGRESS.index(self.stage.progress),
            _NO_CODE if self.stage.code is None else self.stage.code,
            len(name),
            len(description),
            self.digest,
        )
        return head + name + description + self.field_hashes


def unpack_last_published(body: bytes) -> LastPublished:
    """Read a packed row; raises `ValueError` for any other bytes."""
    if len(body) < _HEAD.size:
        raise ValueError("a row of an order is cut short")
    sequence, changed_ms, place, code, name, description, digest = _HEAD.unpack_from(body)
    if place >= len(PROGRESS):
        raise ValueError("a row of an order of a later release")
    name_end = _HEAD.size + name
    description_end = name_end + description
    stage = Stage(
        body[_HEAD.size : name_end].decode("utf-8", "replace"),
        None if code == _NO_CODE else code,
        body[name_end:description_end].decode("utf-8", "replace"),
        PROGRESS[place],
    )
    return LastPublished(sequence, changed_ms, stage, digest, body[description_end:])


def change_of(
    before: LastPublished | None, order: VendorOrder, *, fields: Sequence[str], first_op: ChangeOp, now_ms: int
) -> tuple[StageChange, LastPublished] | None:
    """The change to publish and the row after it; None when nothing that matters has changed.

    ``fields``: names of the vendor's top-level fields; ``first_op``: for an order that was never published.
    """
    if before is not None and before.digest in {order.digest, *order.former_digests}:
        return None
    hashes = hash_fields(order.fields, fields, order.unread)
    if before is None:
        change = StageChange(first_op, 1, order, None, (), now_ms)
    else:
        changed = differing_fields(before.field_hashes, hashes, fields)
        change = StageChange("updated", before.sequence + 1, order, before.stage, changed, now_ms)
    return change, LastPublished(change.sequence, now_ms, order.stage, order.digest, hashes)


def deletion_of(
    last: LastPublished, gone: VendorOrder, *, fields: Sequence[str] = (), now_ms: int
) -> tuple[StageChange, LastPublished] | None:
    """The deletion to publish and the row after it; None: it is published. ``gone`` has the digest `GONE`."""
    found = change_of(last, gone, fields=fields, first_op="deleted", now_ms=now_ms)
    return None if found is None else (replace(found[0], op="deleted"), found[1])


def adopted(before: LastPublished | None, order: VendorOrder) -> LastPublished | None:
    """The row with today's digest, where `change_of` finds no change but another digest; None: the row stays.

    Without it the content that today's digest covers and the former one did not would never be compared.
    """
    if before is None or before.digest == order.digest or before.digest not in order.former_digests:
        return None
    return replace(before, digest=order.digest)


def hash_fields(fields: Mapping[str, Any], names: Sequence[str], unread: frozenset[str] = frozenset()) -> bytes:
    """A short hash of each of these fields; a missing field counts as null."""
    return b"".join(_UNREAD if name in unread else _hash(fields.get(name)) for name in names)


def holds_any(hashes: bytes, names: Sequence[str], wanted: Container[str]) -> bool:
    """Whether any of the wanted fields has been read."""
    starts = range(0, len(hashes), _HASH_BYTES)
    return any(
        hashes[start : start + _HASH_BYTES] != _UNREAD
        for start, name in zip(starts, names, strict=False)
        if name in wanted
    )


def lacks_any(hashes: bytes) -> bool:
    """Whether any field has not been read."""
    return any(hashes[start : start + _HASH_BYTES] == _UNREAD for start in range(0, len(hashes), _HASH_BYTES))


def _hash(value: Any) -> bytes:
    return crc32(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).to_bytes(_HASH_BYTES, "little")


def differing_fields(before: bytes, after: bytes, names: Sequence[str]) -> tuple[str, ...]:
    """The fields that differ, without those that one of the two readings, or the list of its time, did not have."""
    places = range(0, min(len(before), len(after)), _HASH_BYTES)
    pairs = [(before[place : place + _HASH_BYTES], after[place : place + _HASH_BYTES]) for place in places]
    named = zip(names, pairs, strict=False)
    return tuple(name for name, pair in named if pair[0] != pair[1] and _UNREAD not in pair)


def _cut(text: str) -> bytes:
    return text.encode()[:_MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
