"""What ECDP has of an order now, in comparison with what was delivered to it last."""

from __future__ import annotations

import orjson

from workers.core.delivery.outcome import Denied, Outcome, Rejected, UnknownOrder
from workers.core.events import Created, Status
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.read_back import folded
from workers.vendors._shared.requests import SetUpError
from workers.vendors.asking import NOTHING, Asked, VendorWord, missing
from workers.vendors.contract import Credentials, Flow
from workers.vendors.ecdp.api import FoundOrder
from workers.vendors.ecdp.existing_order import differences, is_deleted
from workers.vendors.ecdp.flows import find
from workers.vendors.ecdp.mapping import order_json
from workers.vendors.ecdp.requests import ecdp_requests
from workers.vendors.ecdp.sink import EcdpOptions


def ask(options: EcdpOptions, credentials: Credentials, asked: Asked) -> Flow[VendorWord | Outcome]:
    """Read the order and compare it; one GET."""
    try:
        found = yield from find(ecdp_requests(credentials["BASE_URL"], credentials["API_KEY"]), asked.order_id)
    except SetUpError as error:
        return Denied(str(error))
    except LimitError as error:
        return Rejected(str(error))
    sent, status = _delivered(options, asked)
    last = _words(FoundOrder.model_validate(orjson.loads(sent)), status) if sent else f"status {status or NOTHING}"
    if isinstance(found, UnknownOrder):
        return missing(bool(asked.delivered), last if asked.delivered else NOTHING)
    if not isinstance(found, FoundOrder):
        return found
    differing = differences(sent, found) if sent else []
    if status and folded(found.status).replace("cancelled", "canceled") != status:
        differing.append("status")
    return VendorWord(_words(found, found.status), last if asked.delivered else NOTHING, tuple(differing))


def _delivered(options: EcdpOptions, asked: Asked) -> tuple[bytes, str]:
    """The order that was delivered last, as JSON, and the status that was; empty: none was."""
    sent, status = b"", ""
    for event in asked.delivered:
        match event:
            case Created(content=created):
                status = created["order"]["status"] or status
                sent = order_json(created["order"], options.time_zone).json
            case Status(content=change):
                status = change["status"]
    return sent, status


def _words(order: FoundOrder, status: str | None) -> str:
    """States, amounts and counts; no field of the customer's."""
    if is_deleted(order):
        return "marked as deleted (IsDeleted)"
    total = "" if order.totalValue is None else f", total {order.totalValue:.2f} {order.currency or ''}".rstrip()
    products = "" if order.products is None else f", products: {len(order.products)}"
    return f"status {(status or 'not given').lower()}{total}{products}"
