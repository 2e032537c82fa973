"""What a vendor tells of an order beside its stage: single happenings, each published once, however late it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct
from typing import Any, Final

from workers.core.poll.change import Seen

HASH_BYTES: Final = 8
_VERSION: Final = 1
_HEAD: Final = Struct("<BBqq")
_ENDED: Final = 1


@dataclass(frozen=True, slots=True)
class VendorEvent:
    """Something that happened to an order. Its id is what it is known by; two of one id are one."""

    id: str
    digest: bytes  # of its content
    occurred_ms: int | None  # None: what the vendor sent is no time
    content: Mapping[str, Any]  # the other fields of a `CourierOrderEvent`, in the event's own form
    ends: bool = False  # the delivery ends with it


@dataclass(frozen=True, slots=True)
class Look:
    """One order as a single answer of the vendor shows it."""

    seen: Seen | None  # None: the vendor has no such order
    happenings: Sequence[VendorEvent] = ()
    notes: Counter[str] = field(default_factory=Counter)  # what was peculiar about the answer, to be counted


@dataclass(frozen=True, slots=True)
class ObservedEvent:
    """A happening to be published, once."""

    happening: VendorEvent
    order_number: str
    order_id: str | None
    order_status: str | None  # the order's, when the happening was found
    observed_ms: int


@dataclass(frozen=True, slots=True)
class PublishedEventIds:
    """What is known of an order beside its shadow.

    It outlives the end of the looks: an order that is saved anew would else tell all of its happenings again.
    """

    news_ms: int  # when something new was last found
    ids: bytes = b""  # of what has been published, a short hash of each
    ended: bool = False  # a happening that ends the delivery has been found
    done_ms: int = 0  # when it was settled: it is looked at no more; 0: it is

    def pack(self) -> bytes:
        """The bytes of its row."""
        return _HEAD.pack(_VERSION, _ENDED * self.ended, self.news_ms, self.done_ms) + self.ids

    def new_of(self, happenings: Iterable[VendorEvent]) -> list[VendorEvent]:
        """What is not known yet: by its id, never by its place in the list, its time, or how large its id is."""
        known = {self.ids[at : at + HASH_BYTES] for at in range(0, len(self.ids), HASH_BYTES)}
        new: dict[bytes, VendorEvent] = {}
        for one in happenings:
            short = id_hash(one.id)
            if short not in known:
                new.setdefault(short, one)
        return sorted(new.values(), key=_place)

    def and_these(self, happenings: Iterable[VendorEvent]) -> bytes:
        """The ids, with those of happenings that are published now."""
        return self.ids + b"".join(id_hash(one.id) for one in happenings)


def unpack_known(body: bytes) -> PublishedEventIds:
    """Read a packed row; raises `ValueError` for bytes that are none."""
    if len(body) < _HEAD.size or (len(body) - _HEAD.size) % HASH_BYTES:
        raise ValueError("a row of known events is cut short")
    version, flags, news_ms, done_ms = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise ValueError("a row of known events of a later release")
    return PublishedEventIds(news_ms, body[_HEAD.size :], bool(flags & _ENDED), done_ms)


def id_hash(happening_id: str) -> bytes:
    """What is remembered of an id."""
    return blake2b(happening_id.encode(errors="surrogatepass"), digest_size=HASH_BYTES).digest()


def happening_id(vendor: str, happened: ObservedEvent) -> str:
    """The event's id: the same for the same happening, however often it is found; another one for other content."""
    one = happened.happening
    return f"{vendor}:{happened.order_number}:{one.id}:{one.digest.hex()}"


def happening_event(vendor: str, happened: ObservedEvent) -> dict[str, Any]:
    """The content of a `CourierOrderEvent` (``schemas/courier-order-event.avsc``)."""
    one = happened.happening
    return {
        **one.content,
        "event_id": happening_id(vendor, happened),
        "vendor": vendor,
        "order_number": happened.order_number,
        "order_id": happened.order_id,
        "courier_event_id": one.id,
        "occurred_at": one.occurred_ms,
        "order_status": happened.order_status,
        "observed_at": happened.observed_ms,
    }


def _place(one: VendorEvent) -> tuple[bool, int, int, str]:
    """By time, what has none last; then by id, numbers by their size."""
    return (one.occurred_ms is None, one.occurred_ms or 0, len(one.id) if one.id.isdecimal() else 0, one.id)
