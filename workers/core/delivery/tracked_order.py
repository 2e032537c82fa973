"""What a sink remembers of an order at a vendor: one compacted row per order, for itself and for the poller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from workers.core.record import BAGGAGE, TRACEPARENT, TRACESTATE

UNFINISHED: Final = "unfinished:"  # begins a row's ``content_hash`` while the delivery is not finished


class Content(NamedTuple):
    """What a row's ``content_hash`` says."""

    hash: str  # of what was sent
    stage: str = ""  # how far an unfinished delivery has come; empty: it is finished

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the field."""
        return cls("", text.removeprefix(UNFINISHED)) if text.startswith(UNFINISHED) else cls(text)

    def text(self) -> str:
        """Write the field."""
        return UNFINISHED + self.stage if self.stage else self.hash


@dataclass(frozen=True, slots=True)
class Mark:
    """What a delivery left behind at the vendor."""

    order_number: str  # the vendor's; empty: it has given none yet
    content_hash: str = ""  # of what was sent: an unchanged event needs no second request
    canceled: bool = False
    stage: str = ""  # how far an unfinished delivery has come, in the vendor's words; empty: it is finished


@dataclass(frozen=True, slots=True)
class Tracked:
    """The last mark of an order (``schemas/ecourier-tracked-orders.avsc``)."""

    order_number: str
    order_id: str
    since_ms: int  # first delivered under this number
    content_hash: str
    canceled_at_ms: int | None = None
    traceparent: str | None = None  # of the event that was delivered
    tracestate: str | None = None  # the same; in a header of the row
    stage: str = ""  # how far an unfinished delivery has come; empty: it is finished
    baggage: str | None = None  # of the event's context, as `tracestate`

    @property
    def context(self) -> Mapping[str, str]:
        """The event's trace context, as headers; empty: none."""
        if not self.traceparent:
            return {}
        texts = {TRACEPARENT: self.traceparent, TRACESTATE: self.tracestate, BAGGAGE: self.baggage}
        return {name: text for name, text in texts.items() if text}
