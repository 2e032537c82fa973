"""Whether the site keeps our OrderNumbers: only then does a second save update an order, and create none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Unavailable, UnknownOrder
from workers.vendors._shared.read_back import contradicts
from workers.vendors.contract import Flow
from workers.vendors.ecourier.existing_order import ExistingOrder
from workers.vendors.ecourier.look_up import EcourierAccount, find

NUMBERS_BY_ITSELF: Final = (
    "e-Courier has taken order {}, and finds no order of that number: the site seems to number orders by itself, so"
    " that each update would send another courier; have it accept our OrderNumber, then restart this worker"
)


@dataclass(slots=True)
class Numbering:
    """What one sink has seen of its site since its process began.

    Invariant: while no look-up has found an order by our number, nothing is saved after the order that is awaited.
    Otherwise, at a site that numbers orders by itself, each update would send another courier.
    """

    proven: bool = False
    awaited: str | None = None  # an order that was saved, and has not been found by its number yet

    def saved(self, number: str) -> None:
        """The site has taken an order of this number."""
        if not self.proven:
            self.awaited = number

    def found(self) -> None:
        """The site has found an order by our number."""
        self.proven, self.awaited = True, None


def doubt(account: EcourierAccount, numbering: Numbering) -> Flow[Outcome | None]:
    """Return why nothing may be saved now: e-Courier does not find the order that it has just taken; None: save."""
    if numbering.awaited is None:
        return None
    found = yield from found_again(account, numbering.awaited, numbering)
    match found:
        case UnknownOrder():
            return Denied(NUMBERS_BY_ITSELF.format(numbering.awaited))
        case Rejected(detail, status):
            return Unavailable(detail, status)  # it is about the awaited order, not about this one
        case _:
            return found


def found_again(account: EcourierAccount, number: str, numbering: Numbering) -> Flow[Outcome | None]:
    """Look for an order that was saved; None: its number is kept."""
    found = yield from find(account, number)
    if not isinstance(found, ExistingOrder):
        return found
    if contradicts(found.order.order_number, number):
        return UnknownOrder("the answer holds another order than the requested one")
    numbering.found()
    return None
