"""The single events of an order (picked up, delivered), each published once, however late the vendor shows it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct
from typing import Any, Final

from workers.core.poll.change import VendorOrder

HASH_BYTES: Final = 8
_VERSION: Final = 1
_HEAD: Final = Struct("<BBqq")
_ENDED: Final = 1


@dataclass(frozen=True, slots=True)
class VendorEvent:
    """An event of an order at the vendor. Two with the same id are one event."""

    id: str
    digest: bytes  # of its content
    occurred_ms: int | None  # None: the vendor's time is unreadable
    content: Mapping[str, Any]  # the other fields of a `CourierOrderEvent`
    ends: bool = False  # it ends the delivery


@dataclass(frozen=True, slots=True)
class Look:
    """One order as a single answer of the vendor shows it."""

    order: VendorOrder | None  # None: the vendor does not have the order
    events: Sequence[VendorEvent] = ()
    notes: Counter[str] = field(default_factory=Counter)  # anomalies of the answer, to be counted


@dataclass(frozen=True, slots=True)
class ObservedEvent:
    """A vendor's event to be published, once."""

    event: VendorEvent
    order_number: str
    order_id: str | None
    order_status: str | None  # when the relay found the event
    observed_ms: int


@dataclass(frozen=True, slots=True)
class PublishedEventIds:
    """Which events of an order have been published.

    It stays after the order is done: if the sink saves the order again, its old events must not be published again.
    """

    changed_ms: int  # when a look last found a change
    ids: bytes = b""  # a short hash of each id
    ended: bool = False  # an event that ends the delivery has been found
    done_ms: int = 0  # when the order was done; 0: it is not

    def pack(self) -> bytes:
        """The bytes of its row."""
        return _HEAD.pack(_VERSION, _ENDED * self.ended, self.changed_ms, self.done_ms) + self.ids

    def unpublished(self, events: Iterable[VendorEvent]) -> list[VendorEvent]:
        """The events that are not published yet, by id alone: position, time and size of the id do not count."""
        published = {self.ids[place : place + HASH_BYTES] for place in range(0, len(self.ids), HASH_BYTES)}
        new: dict[bytes, VendorEvent] = {}
        for event in events:
            short = id_hash(event.id)
            if short not in published:
                new.setdefault(short, event)
        return sorted(new.values(), key=_sort_key)

    def ids_with(self, events: Iterable[VendorEvent]) -> bytes:
        """The ids, with those of events that are published now."""
        return self.ids + b"".join(id_hash(event.id) for event in events)


def unpack_event_ids(body: bytes) -> PublishedEventIds:
    """Read a packed row; raises `ValueError` for any other bytes."""
    if len(body) < _HEAD.size or (len(body) - _HEAD.size) % HASH_BYTES:
        raise ValueError("a row of published events is cut short")
    version, flags, changed_ms, done_ms = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise ValueError("a row of published events of a later release")
    return PublishedEventIds(changed_ms, body[_HEAD.size :], bool(flags & _ENDED), done_ms)


def id_hash(vendor_event_id: str) -> bytes:
    """The short hash of an event's id."""
    return blake2b(vendor_event_id.encode(errors="surrogatepass"), digest_size=HASH_BYTES).digest()


def observed_event_id(vendor: str, observed: ObservedEvent) -> str:
    """Deterministic: the same whenever the same event is found, different for different content."""
    return f"{vendor}:{observed.order_number}:{observed.event.id}:{observed.event.digest.hex()}"


def courier_order_event(vendor: str, observed: ObservedEvent) -> dict[str, Any]:
    """The content of a `CourierOrderEvent` (``schemas/courier-order-event.avsc``)."""
    event = observed.event
    return {
        **event.content,
        "event_id": observed_event_id(vendor, observed),
        "vendor": vendor,
        "order_number": observed.order_number,
        "order_id": observed.order_id,
        "courier_event_id": event.id,
        "occurred_at": event.occurred_ms,
        "order_status": observed.order_status,
        "observed_at": observed.observed_ms,
    }


def _sort_key(event: VendorEvent) -> tuple[bool, int, int, str]:
    """By time, events without one last; then by id, numeric ids by size."""
    digits = len(event.id) if event.id.isdecimal() else 0
    return (event.occurred_ms is None, event.occurred_ms or 0, digits, event.id)
