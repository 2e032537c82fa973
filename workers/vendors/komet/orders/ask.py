"""What Komet has of an order's web order now, in comparison with what was delivered to it."""

from __future__ import annotations

from typing import Final

from workers.core.delivery.outcome import Denied, Outcome
from workers.core.events import Created, Event, Order
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.requests import SetUpError
from workers.vendors.asking import NO_ORDER, NOTHING, Asked, VendorWord, missing
from workers.vendors.contract import Credentials, Flow
from workers.vendors.komet.orders.api import CHECKED_OUT, WebOrderRow, missing_items
from workers.vendors.komet.orders.look_up import GONE, Found, OpenOrders, State, find_open, look
from workers.vendors.komet.orders.mapping import WebOrder, channel_of, reference, web_order
from workers.vendors.komet.orders.options import KometOptions
from workers.vendors.komet.orders.web_shop import WebShop, web_shop
from workers.vendors.komet.requests import location_ids

PLACED, CANCELED = "placed", "canceled"
NOT_ASKED: Final = "not asked: no web order of it was placed"
EXPIRES: Final = "open, not checked out: Komet cancels it 3 days after it was made"


def ask_web_order(options: KometOptions, credentials: Credentials, asked: Asked) -> Flow[VendorWord | Outcome]:
    """Look the web order up: by its number, or by its reference while none is known. Other orders cost no request."""
    state, wanted = _delivered(options, credentials, asked)
    if wanted is None and asked.order_number == asked.order_id:
        return VendorWord(NOT_ASKED, NOTHING)
    try:
        shop = web_shop(credentials, options.product_id_is)
    except SetUpError as error:
        return Denied(str(error))
    found = yield from _find(shop, asked)
    if not isinstance(found, Found):
        return found
    if found.state is State.GONE:
        return missing(state == PLACED, state) if state != CANCELED else VendorWord(NO_ORDER, state)
    differing: list[str] = ["canceled"] if state == CANCELED else []
    if state == PLACED:
        differing = ["check-out"] if found.state is State.OPEN else _differing(found.row, wanted, options)
    number = found.row.id
    says = f"web order {number}: {EXPIRES if found.state is State.OPEN else found.state.value}"
    return VendorWord(says, state, tuple(differing))


def _find(shop: WebShop, asked: Asked) -> Flow[Found | Outcome]:
    if asked.order_number != asked.order_id:
        return (yield from look(shop, asked.order_number, shop.locations, CHECKED_OUT))
    found = yield from find_open(shop, reference(asked.order_id), shop.locations)
    if not isinstance(found, OpenOrders):
        return found
    return Found(State.OPEN, found.ours[0]) if found.ours else GONE


def _differing(row: WebOrderRow, wanted: WebOrder | None, options: KometOptions) -> list[str]:
    if wanted is None or row.items is None:
        return []
    return [] if missing_items(row, wanted, options.product_id_is) == () else ["items"]


def _delivered(options: KometOptions, credentials: Credentials, asked: Asked) -> tuple[str, WebOrder | None]:
    """What the sink has made of the order at last, and the web order that it placed."""
    state, wanted = NOTHING, None
    locations = location_ids(credentials["LOCATION_IDS"])
    for event in asked.delivered:
        order = _placed(event, options)
        if order is not None:
            try:
                wanted = web_order(order, options.product_id_is, locations)
            except LimitError:
                continue
            state = PLACED
        elif state == PLACED and (isinstance(event, Created) or event.content["status"] == "canceled"):
            state = CANCELED
    return state, wanted


def _placed(event: Event, options: KometOptions) -> Order | None:
    """The order that the event wants to be a web order."""
    if not isinstance(event, Created) or event.content["order"]["status"] == "canceled":
        return None
    order = event.content["order"]
    return order if channel_of(order) == options.channel else None
