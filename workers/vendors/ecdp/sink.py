"""ECDP's sink: creates orders and changes their statuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

import httpx
from pydantic import BaseModel, ConfigDict, Field

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Skipped
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Created, Event, Status
from workers.vendors._shared.check import IMPROBABLE_ID, check_outcome
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.requests import REDACTED, SetUpError
from workers.vendors.contract import Attempt, Call, Credentials, Flow
from workers.vendors.ecdp.api import Mode
from workers.vendors.ecdp.flows import create, find, set_status
from workers.vendors.ecdp.mapping import Body, MatchBy, TimeZoneOption, order_json, status_json
from workers.vendors.ecdp.requests import EcdpRequests, ecdp_requests

UNMAPPED_ZONE: Final = "unmapped_time_zone"


class EcdpOptions(BaseModel):
    """The keys that an ECDP sink adds to its worker in topics.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = Field(
        "AddOrReplace",
        description="Whether an order that ECDP has is replaced. AddOrReplace may be repeated without harm.",
    )
    match_by: MatchBy | None = Field(
        None,
        description="The unit's matching mode (Settings > Customers): an order without that field is refused here.",
    )
    time_zone: TimeZoneOption = Field("event", description="The zone of an order's times: its own, or UTC.")


@dataclass(frozen=True, slots=True)
class EcdpSink:
    """`workers.vendors.contract.Sink` for ECDP."""

    options: EcdpOptions
    credentials: Credentials = field(repr=False)

    def prepare(self, event: Event, known: Tracked | None = None) -> Call | Skipped | Rejected:
        """Map and check an event; never raises. The payload is a `Body`."""
        del known  # a repeat does no harm at ECDP
        try:
            match event:
                case Created(order_id, created):
                    body = order_json(created["order"], self.options.time_zone, self.options.match_by)
                    note = UNMAPPED_ZONE if body.unmapped_zone else None
                    return Call(
                        order_id, creates_order=True, payload=body, size=len(body.json) + 1, group="orders", note=note
                    )
                case Status(order_id, status):
                    body = status_json(status)
                    return Call(order_id, creates_order=False, payload=body, size=len(body.json))
        except LimitError as error:
            return Rejected(str(error))
        assert_never(event)

    def deliver(self, attempts: Sequence[Attempt]) -> Flow[list[Outcome]]:
        """Create all orders in one request, or change one order's status."""
        try:
            ecdp = self._requests()
        except SetUpError as error:
            return [Denied(str(error))] * len(attempts)
        if attempts[0].call.creates_order:
            return (yield from create(ecdp, self.options.mode, attempts))
        assert len(attempts) == 1, "statuses have no group: each goes alone"
        return [(yield from set_status(ecdp, attempts[0].call))]

    def preview(self, call: Call) -> httpx.Request:
        """Build the request that `deliver` would send first, the API key redacted."""
        ecdp = ecdp_requests(self.credentials["BASE_URL"], REDACTED)
        body: Body = call.payload
        return ecdp.post(self.options.mode, [body.json]) if call.creates_order else ecdp.put(body.json)

    def check(self) -> Flow[Outcome]:
        """Look up an improbable order: when address and key are right, ECDP answers 404 or 200."""
        try:
            ecdp = self._requests()
        except SetUpError as error:
            return Denied(str(error))
        return check_outcome((yield from find(ecdp, IMPROBABLE_ID)))

    def _requests(self) -> EcdpRequests:
        return ecdp_requests(self.credentials["BASE_URL"], self.credentials["API_KEY"])
