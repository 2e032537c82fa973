"""An order's last published state, from which a poller tells what has changed, in few bytes.

A poller holds up to a million of them in memory, packed as in their rows of the state topic, and unpacks one when it
reads the order.
"""

from collections.abc import Mapping, Sequence
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
    if before is not None and before.digest == order.digest:
        return None
    hashes = hash_fields(order.fields, fields)
    if before is None:
        change = StageChange(first_op, 1, order, None, (), now_ms)
    else:
        changed = _differing(before.field_hashes, hashes, fields)
        change = StageChange("updated", before.sequence + 1, order, before.stage, changed, now_ms)
    return change, LastPublished(change.sequence, now_ms, order.stage, order.digest, hashes)


def hash_fields(fields: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """A short hash of each of these fields; a missing field counts as null."""
    return b"".join(
        crc32(orjson.dumps(fields.get(name), option=orjson.OPT_SORT_KEYS)).to_bytes(_HASH_BYTES, "little")
        for name in names
    )


def _differing(before: bytes, after: bytes, names: Sequence[str]) -> tuple[str, ...]:
    """The fields that differ, without those that the list did not have when ``before`` was written."""
    places = range(0, min(len(before), len(after)), _HASH_BYTES)
    return tuple(
        name
        for name, place in zip(names, places, strict=False)
        if before[place : place + _HASH_BYTES] != after[place : place + _HASH_BYTES]
    )


def _cut(text: str) -> bytes:
    return text.encode()[:_MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
