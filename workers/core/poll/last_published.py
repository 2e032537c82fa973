"""What a poller remembers of an order: enough to tell what has changed, in as few bytes as that takes.

A million of them are held in memory, so a shadow lives there as the bytes that its row in the state
topic has, and is unpacked when its order is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Any, Final
from zlib import crc32

import orjson

from workers.core.poll.change import DIGEST_BYTES, Change, ChangeOp, Seen, Stage
from workers.core.poll.progress import FINAL, PROGRESS, QUIET

_HEAD: Final = Struct(f"<I q B i B B {DIGEST_BYTES}s".replace(" ", ""))
_NO_CODE: Final = -(2**31)
_LONGEST: Final = 255  # bytes of a text
_PRINT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class LastPublished:
    """The last published state of one order."""

    sequence: int
    changed_ms: int  # when the last change was observed
    stage: Stage
    digest: bytes
    prints: bytes = b""  # a short hash of each top-level field, in the order of the vendor's list; empty: forgotten

    @property
    def is_open(self) -> bool:
        """Whether something is still expected of the order."""
        return self.stage.progress not in FINAL

    def may_rest(self, now_ms: int, rest_ms: int) -> bool:
        """Whether it has been quiet at its end for so long that it may shrink."""
        return self.stage.progress in QUIET and now_ms - self.changed_ms >= rest_ms

    @property
    def is_stub(self) -> bool:
        """Whether it has shrunk already."""
        return not self.prints and not self.stage.description

    def stub(self) -> LastPublished:
        """What must stay: without the sequence its numbers would start again, without the hash its last event would."""
        return replace(self, prints=b"", stage=replace(self.stage, description=""))

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
        return head + name + description + self.prints


def unpack(body: bytes) -> LastPublished:
    """Read a packed shadow; raises `ValueError` for bytes that are none."""
    if len(body) < _HEAD.size:
        raise ValueError("a shadow is cut short")
    sequence, changed_ms, place, code, name, description, digest = _HEAD.unpack_from(body)
    if place >= len(PROGRESS):
        raise ValueError("a shadow of a later release")
    at = _HEAD.size + name
    stage = Stage(
        body[_HEAD.size : at].decode("utf-8", "replace"),
        None if code == _NO_CODE else code,
        body[at : at + description].decode("utf-8", "replace"),
        PROGRESS[place],
    )
    return LastPublished(sequence, changed_ms, stage, digest, body[at + description :])


def change_of(
    before: LastPublished | None, seen: Seen, *, fields: Sequence[str], new: ChangeOp, now_ms: int
) -> tuple[Change, LastPublished] | None:
    """What to publish, and the shadow after it; None when nothing that matters has changed.

    ``fields``: names of the vendor's top-level fields; ``new``: what the first look at an order is called.
    """
    if before is not None and before.digest == seen.digest:
        return None
    prints = field_prints(seen.fields, fields)
    if before is None:
        change = Change(new, 1, seen, None, (), now_ms)
    else:
        changed = _differing(before.prints, prints, fields)
        change = Change("updated", before.sequence + 1, seen, before.stage, changed, now_ms)
    return change, LastPublished(change.sequence, now_ms, seen.stage, seen.digest, prints)


def field_prints(fields: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """A short hash of each of these fields; a field that is not there counts as null."""
    return b"".join(
        crc32(orjson.dumps(fields.get(name), option=orjson.OPT_SORT_KEYS)).to_bytes(_PRINT_BYTES, "little")
        for name in names
    )


def _differing(before: bytes, after: bytes, names: Sequence[str]) -> tuple[str, ...]:
    """Fields that the list did not have when ``before`` was written are left out: nothing is known of them."""
    places = range(0, min(len(before), len(after)), _PRINT_BYTES)
    return tuple(
        name
        for name, at in zip(names, places, strict=False)
        if before[at : at + _PRINT_BYTES] != after[at : at + _PRINT_BYTES]
    )


def _cut(text: str) -> bytes:
    return text.encode()[:_LONGEST].decode("utf-8", "ignore").encode()
