"""e-Courier's news: it tells of no changes, so each order is looked at by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Throttled, Unavailable, UnknownOrder
from workers.core.poll.vendor_event import Look
from workers.vendors._shared.check import IMPROBABLE_ID
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, PollFault
from workers.vendors.ecourier.flows import account_of, check, find
from workers.vendors.ecourier.happened import FIELDS, look_of
from workers.vendors.ecourier.lookup import FoundOrder, same_text
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.times import time_zone


@dataclass(frozen=True, slots=True)
class EcourierPoller:
    """`workers.vendors.OrderPoller` for e-Courier. Requests are signed by its session, not here."""

    options: EcourierPollerOptions
    credentials: Credentials = field(repr=False)

    @property
    def fields(self) -> Sequence[str]:
        return FIELDS

    def look(self, order_number: str) -> Flow[Look | PollFault]:
        """Ask for the order. An answer that is another order's, or none that can be read, tells nothing of this one."""
        try:
            account = account_of(self.credentials)
        except SetUpError as error:
            return Denied(str(error))
        found = yield from find(account, order_number)
        if isinstance(found, UnknownOrder):
            return Look(None)
        if not isinstance(found, FoundOrder):
            return _fault(found)
        if found.order.order_number and not same_text(found.order.order_number, order_number):
            return Unavailable("the answer holds another order than the one that was asked for")
        if not (found.order.order_number or found.order.order_status):
            return Unavailable("the answer's order has neither an OrderNumber nor an OrderStatus")
        zone = time_zone(self.credentials["TIME_ZONE"])
        assert zone is not None, "the account's zone has been checked"
        return look_of(found, order_number, zone, self.options)

    def check(self) -> Flow[Outcome]:
        """Ask for an order that hardly exists."""
        return check(self.credentials, IMPROBABLE_ID)


def _fault(outcome: Outcome) -> PollFault:
    """A look that is refused tells nothing: nothing of the order moves, and others go on."""
    match outcome:
        case Throttled() | Unavailable() | Denied():
            return outcome
        case Rejected(detail, status):
            return Unavailable(detail, status)
        case _:
            return Unavailable("the answer tells nothing of the order")
