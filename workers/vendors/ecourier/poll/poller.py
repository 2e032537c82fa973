"""e-Courier's poller: its API has no list of changes, so each order is read by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Throttled, Unavailable, UnknownOrder
from workers.core.poll.vendor_event import Look
from workers.vendors._shared.check import IMPROBABLE_ID
from workers.vendors._shared.local_time import time_zone
from workers.vendors._shared.read_back import contradicts
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, PollFault
from workers.vendors.ecourier.existing_order import ExistingOrder
from workers.vendors.ecourier.look_up import account_of, check, find
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.poll.order_events import FIELDS, look_of


@dataclass(frozen=True, slots=True)
class EcourierPoller:
    """`workers.vendors.contract.OrderPoller` for e-Courier. Requests are signed by its session, not here."""

    options: EcourierPollerOptions
    credentials: Credentials = field(repr=False)

    @property
    def fields(self) -> Sequence[str]:
        return FIELDS

    def look(self, order_number: str) -> Flow[Look | PollFault]:
        """Read the order. An answer with another order, or without a readable one, is a fault."""
        try:
            account = account_of(self.credentials)
        except SetUpError as error:
            return Denied(str(error))
        found = yield from find(account, order_number)
        if isinstance(found, UnknownOrder):
            return Look(None)
        if not isinstance(found, ExistingOrder):
            return _fault(found)
        if contradicts(found.order.order_number, order_number):
            return Unavailable("the answer holds another order than the requested one")
        if not (found.order.order_number or found.order.order_status):
            return Unavailable("the answer's order has neither an OrderNumber nor an OrderStatus")
        zone = time_zone(self.credentials["TIME_ZONE"])
        assert zone is not None, "the account's zone has been checked"
        return look_of(found, order_number, zone, self.options)

    def check(self) -> Flow[Outcome]:
        """Look up an improbable order."""
        return check(self.credentials, IMPROBABLE_ID)


def _fault(outcome: Outcome) -> PollFault:
    """A refused read changes nothing of the order, and blocks no other order."""
    match outcome:
        case Throttled() | Unavailable() | Denied():
            return outcome
        case Rejected(detail, status):
            return Unavailable(detail, status)
        case _:
            return Unavailable("the answer says nothing about the order")
