"""e-Courier's sink: saves deliveries and cancels them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final, assert_never

import httpx

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Skipped
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Created, Event, Status
from workers.vendors._shared.check import IMPROBABLE_ID
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.local_time import time_zone
from workers.vendors._shared.requests import REDACTED, SetUpError
from workers.vendors.contract import Attempt, Call, Credentials, Flow
from workers.vendors.ecourier.existing_order import ExistingOrder
from workers.vendors.ecourier.flows import Cancel, Payload, Save, cancel, cancel_fields, quote, save
from workers.vendors.ecourier.look_up import account_of, check
from workers.vendors.ecourier.mapping import content_hash, order_fields, order_json
from workers.vendors.ecourier.numbering import Numbering, doubt
from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.order_number import order_number
from workers.vendors.ecourier.requests import GUID_HEADER
from workers.vendors.ecourier.wall_time import Clock

UNMAPPED_ZONE: Final = "unmapped_time_zone"

NO_DELIVERY: Final = "no delivery"
UNCHANGED: Final = "delivery unchanged"
ALREADY_CANCELED: Final = "already canceled"
OTHER_STATUS: Final = "e-Courier has no use for this status"


@dataclass(frozen=True, slots=True)
class EcourierSink:
    """`workers.vendors.contract.Sink` for e-Courier. Requests are signed by its session, not here."""

    options: EcourierOptions
    credentials: Credentials = field(repr=False)
    numbering: Numbering = field(default_factory=Numbering, init=False, repr=False)

    def prepare(self, event: Event, known: Tracked | None = None) -> Call | Skipped | Rejected:
        """Map and check an event; never raises. The payload is a `Payload`. Reads TIME_ZONE and CUSTOMER_CODE."""
        match event:
            case Created(order_id, content) if content["order"]["status"] == "canceled":
                return self._cancel(order_id, known, creates_order=True)
            case Created():
                return self._save(event, known)
            case Status(order_id, content):
                if content["status"] != "canceled":
                    return Skipped(OTHER_STATUS)
                return self._cancel(order_id, known, creates_order=False)
        assert_never(event)

    def deliver(self, attempts: Sequence[Attempt]) -> Flow[list[Outcome]]:
        """Save or cancel one order."""
        assert len(attempts) == 1, "calls have no group: each goes alone"
        [attempt] = attempts
        payload: Payload = attempt.call.payload
        try:
            account = account_of(self.credentials)
        except SetUpError as error:
            return [Denied(str(error))]
        doubts = yield from doubt(account, self.numbering)
        if doubts is not None:
            return [doubts]
        if isinstance(payload, Cancel):
            return [(yield from cancel(account, payload, self.numbering))]
        first = self.options.look_up_first and not payload.known
        return [(yield from save(account, payload, self.numbering, look_up=first, unknown=attempt.unknown))]

    def preview(self, call: Call) -> httpx.Request:
        """Build the SaveOrder that `deliver` would send if a look-up allows it, the UserGUID redacted."""
        payload: Payload = call.payload
        json = payload.json() if isinstance(payload, Save) else order_json(cancel_fields(payload.number))
        request = account_of(self.credentials).requests.save(json)
        request.headers[GUID_HEADER] = REDACTED
        return request

    def check(self) -> Flow[Outcome]:
        """Look up an improbable order."""
        return check(self.credentials, self._number(IMPROBABLE_ID, None))

    def quote(self, created: Created) -> Flow[ExistingOrder | Outcome]:
        """Ask for the price of an order's delivery; `Skipped` when it has none, `Rejected` when it breaks a limit."""
        prepared = self._save(created, None)
        if not isinstance(prepared, Call):
            return prepared
        try:
            account = account_of(self.credentials)
        except SetUpError as error:
            return Denied(str(error))
        return (yield from quote(account, prepared.payload))

    def _save(self, event: Created, known: Tracked | None) -> Call | Skipped | Rejected:
        delivery = event.content["order"]["delivery"]
        if delivery is None:
            # A later event replaces an earlier one: the order that was saved wants no courier any more.
            known_one = known is not None
            return self._cancel(event.order_id, known, creates_order=True) if known_one else Skipped(NO_DELIVERY)
        number = self._number(event.order_id, known)
        clock = Clock(time_zone(self.credentials["TIME_ZONE"]) or UTC)  # `account_of` refuses an unknown zone later
        try:
            fields = order_fields(delivery, number, self.credentials["CUSTOMER_CODE"], clock)
            size = len(order_json(fields))
        except LimitError as error:
            return Rejected(str(error))
        canceled = known is not None and known.canceled_at_ms is not None
        order = Save(number, fields, content_hash(fields), known=known is not None, reopens=canceled)
        if known is not None and not canceled and known.content_hash == order.hash:
            return Skipped(UNCHANGED, supersedes=True)
        zones = [stop["time_zone"] for stop in delivery["stops"] if stop["time_zone"]]
        note = None if all(map(time_zone, zones)) else UNMAPPED_ZONE
        return Call(event.order_id, creates_order=True, payload=order, size=size, note=note)

    def _cancel(self, order_id: str, known: Tracked | None, *, creates_order: bool) -> Call | Skipped:
        if known is not None and known.canceled_at_ms is not None:
            return Skipped(ALREADY_CANCELED, supersedes=True)
        number = self._number(order_id, known)
        last = known.content_hash if known else ""
        order = Cancel(number, known is not None, last, self.credentials["CUSTOMER_CODE"] or None)
        return Call(order_id, creates_order=creates_order, payload=order, size=len(order_json(cancel_fields(number))))

    def _number(self, order_id: str, known: Tracked | None) -> str:
        """An order keeps the number that it was first saved with, even when the prefix changes."""
        if known is not None:
            return known.order_number
        return order_number(order_id, self.options.order_number_prefix, self.options.order_number_max)
