"""What e-Courier has of a delivery now, in comparison with what was delivered to it and published of it last."""

from __future__ import annotations

from workers.core.delivery.outcome import Denied, Outcome, UnknownOrder
from workers.core.events import Created, Delivery, Event
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.local_time import time_zone
from workers.vendors._shared.requests import SetUpError
from workers.vendors.asking import NOTHING, Asked, VendorWord, missing, stage_word
from workers.vendors.contract import Credentials, Flow
from workers.vendors.ecourier.existing_order import ExistingOrder, differences
from workers.vendors.ecourier.look_up import EcourierAccount, account_of, find
from workers.vendors.ecourier.mapping import Fields, order_fields
from workers.vendors.ecourier.options import EcourierOptions, EcourierPollerOptions
from workers.vendors.ecourier.poll.order_events import look_of

SAVED, CANCELED = "saved", "canceled"


def ask(
    _options: EcourierOptions | EcourierPollerOptions, credentials: Credentials, asked: Asked
) -> Flow[VendorWord | Outcome]:
    """Read the order and compare it; one GetJsonOrder."""
    try:
        account = account_of(credentials)
    except SetUpError as error:
        return Denied(str(error))
    state, fields = _delivered(account, credentials, asked)
    found = yield from find(account, asked.order_number)
    if isinstance(found, UnknownOrder):
        return missing(state != NOTHING or asked.published is not None, state)
    if not isinstance(found, ExistingOrder):
        return found
    zone = time_zone(credentials["TIME_ZONE"])
    assert zone is not None, "the account's zone has been checked"
    order = look_of(found, asked.order_number, zone, asked.poller_options or EcourierPollerOptions()).order
    assert order is not None, "the answer holds an order"
    word = stage_word(order, asked.published)
    return VendorWord(
        word.says, f"{state}; published: {word.last}", (*word.differing, *_differing(found, state, fields))
    )


def _differing(found: ExistingOrder, state: str, fields: Fields) -> list[str]:
    if state == SAVED:
        return ["canceled"] if found.is_deleted else differences(found, fields)
    return ["canceled"] if state == CANCELED and not found.is_deleted else []


def _delivered(account: EcourierAccount, credentials: Credentials, asked: Asked) -> tuple[str, Fields]:
    """What the sink has made of the order at last, and the fields that it saved."""
    state, fields = NOTHING, Fields()
    for event in asked.delivered:
        delivery = _wanted(event)
        if delivery is not None:
            try:
                fields = order_fields(
                    delivery, asked.order_number, credentials["CUSTOMER_CODE"], account.requests.clock
                )
            except LimitError:
                continue
            state = SAVED
        elif state == SAVED and _cancels(event):
            state = CANCELED
    return state, fields


def _wanted(event: Event) -> Delivery | None:
    if not isinstance(event, Created) or event.content["order"]["status"] == "canceled":
        return None
    return event.content["order"]["delivery"]


def _cancels(event: Event) -> bool:
    return isinstance(event, Created) or event.content["status"] == "canceled"
