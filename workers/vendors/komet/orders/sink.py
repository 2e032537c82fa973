"""Komet's sink: places web orders and cancels them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

import httpx

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Skipped, Unavailable
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Created, Event, Status
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Attempt, Call, Credentials, Delivery, Flow, MaybeSent, NotSent
from workers.vendors.komet.answers.outcome import Refused, as_fault, rows_of
from workers.vendors.komet.orders.api import PENDING
from workers.vendors.komet.orders.flows import cancel, first_list, place
from workers.vendors.komet.orders.look_up import ROWS
from workers.vendors.komet.orders.mapping import WebOrder, channel_of, reference, web_order
from workers.vendors.komet.orders.options import KometOptions
from workers.vendors.komet.orders.web_shop import WebShop, web_shop
from workers.vendors.komet.requests import MAX_REQUEST_BYTES, komet_requests, location_ids

NO_WEB_ORDER: Final = "no web order of it is known"
UNCHANGED: Final = "web order unchanged"
ALREADY_CANCELED: Final = "already canceled"
OTHER_STATUS: Final = "Komet has no use for this status"
IMPROBABLE_NUMBER: Final = "0"


@dataclass(frozen=True, slots=True)
class Place:
    """An order to be placed."""

    order: WebOrder
    known: Tracked | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """An order to be canceled."""

    reference: str
    known: Tracked


Payload: TypeAlias = Place | Cancel


@dataclass(frozen=True, slots=True)
class KometSink:
    """`workers.vendors.contract.Sink` for Komet's web orders."""

    options: KometOptions
    credentials: Credentials = field(repr=False)

    def prepare(self, event: Event, known: Tracked | None = None) -> Call | Skipped | Rejected:
        """Map and check an event; never raises. The payload is a `Payload`. Reads LOCATION_IDS."""
        match event:
            case Created(order_id, content) if content["order"]["status"] == "canceled":
                return _cancel(order_id, known, NO_WEB_ORDER, creates_order=True)
            case Created(order_id, content) if channel_of(content["order"]) != self.options.channel:
                # A later event replaces an earlier one: the order is no longer Komet's.
                reason = f"its channel is not {self.options.channel}"
                return _cancel(order_id, known, reason, creates_order=True)
            case Created():
                return self._place(event, known)
            case Status(order_id, content):
                if content["status"] != "canceled":
                    return Skipped(OTHER_STATUS)
                return _cancel(order_id, known, NO_WEB_ORDER, creates_order=False)
        assert_never(event)

    def deliver(self, attempts: Sequence[Attempt]) -> Flow[Delivery]:
        """Place or cancel one order."""
        assert len(attempts) == 1, "calls have no group: each goes alone"
        payload: Payload = attempts[0].call.payload
        try:
            shop = self._shop
        except SetUpError as error:
            return [Denied(str(error))]
        match payload:
            case Place(order, known):
                return (yield from place(shop, order, known))
            case Cancel(reference=found_by, known=known):
                return (yield from cancel(shop, found_by, known))
        assert_never(payload)

    def preview(self, call: Call) -> httpx.Request:
        """Build the first request, the token redacted: a look-up of what is there. ACCOUNT may be missing."""
        payload: Payload = call.payload
        shop = WebShop(komet_requests(self.credentials), self.options.product_id_is).redacted()
        match payload:
            case Cancel(known=known):
                return shop.delete(known.order_number) if known.order_number else shop.details(PENDING)
            case Place(order, known):
                if known is None or known.canceled_at_ms is not None:
                    return shop.create(order)
                return shop.details(first_list(known.stage), known.order_number, order.location)
        assert_never(payload)

    def check(self) -> Flow[Outcome]:
        """Look up an improbable web order: with a good token Komet has none of that number, or refuses it."""
        try:
            shop = self._shop
            found = rows_of((yield shop.details(PENDING, IMPROBABLE_NUMBER)), ROWS, shop.token)
        except SetUpError as error:
            return Denied(str(error))
        except (NotSent, MaybeSent) as error:
            return Unavailable(str(error))
        if isinstance(found, Refused):
            fault = as_fault(found)
            return Delivered(status=found.status) if isinstance(fault, Unavailable) else fault
        return found if isinstance(found, Outcome) else Delivered(status=200)

    @property
    def _shop(self) -> WebShop:
        return web_shop(self.credentials, self.options.product_id_is)

    def _place(self, event: Created, known: Tracked | None) -> Call | Skipped | Rejected:
        locations = location_ids(self.credentials["LOCATION_IDS"])
        try:
            order = web_order(event.content["order"], self.options.product_id_is, locations)
        except LimitError as error:
            return Rejected(str(error))
        finished = known is not None and not known.stage and known.canceled_at_ms is None
        if known is not None and finished and known.content_hash == order.hash:
            return Skipped(UNCHANGED, supersedes=True)
        return Call(event.order_id, creates_order=True, payload=Place(order, known), size=MAX_REQUEST_BYTES)


def _cancel(order_id: str, known: Tracked | None, reason: str, *, creates_order: bool) -> Call | Skipped:
    if known is None:
        return Skipped(reason)
    if known.canceled_at_ms is not None and not known.stage:
        return Skipped(ALREADY_CANCELED, supersedes=True)
    payload = Cancel(reference(order_id), known)
    return Call(order_id, creates_order=creates_order, payload=payload, size=MAX_REQUEST_BYTES)
