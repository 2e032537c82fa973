"""ECDP's commands: delete an order."""

from __future__ import annotations

from typing import Final

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Unknown
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.requests import SetUpError
from workers.vendors.commands import Given, Shown, VendorCommand
from workers.vendors.contract import Credentials, Flow, MaybeSent
from workers.vendors.ecdp.flows import delete
from workers.vendors.ecdp.requests import ecdp_requests
from workers.vendors.ecdp.sink import EcdpOptions

MARKED: Final = "marked as deleted (IsDeleted)"


def delete_order(_options: EcdpOptions, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    """Mark one order as deleted."""
    try:
        ecdp = ecdp_requests(credentials["BASE_URL"], credentials["API_KEY"])
        outcome = yield from delete(ecdp, given.order_id)
    except SetUpError as error:
        return Denied(str(error))
    except LimitError as error:
        return Rejected(str(error))
    except MaybeSent as error:
        return Unknown(f"{error}; a second delete does no harm")
    if not isinstance(outcome, Delivered):
        return outcome
    document = {"order_id": given.order_id, "deleted": True, "http_status": outcome.status}
    return Shown(("order", "answer"), [(given.order_id, MARKED)], document)


COMMANDS: Final = (
    VendorCommand(
        name="delete",
        meaning="Mark an order as deleted at ECDP (IsDeleted).",
        details="For test orders and erasure. Who, when and why is written to the log, as a line on stderr. Events of"
        " the order that come later are still delivered.",
        example="relay vendor ecdp delete A-1001 --yes --why 'test order'",
        side="sink",
        takes="order_id",
        flow=delete_order,
        changes="mark {} as deleted at ECDP",
    ),
)
