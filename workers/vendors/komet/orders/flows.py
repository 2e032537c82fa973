"""Komet's flows: an order becomes one web order, with each item once, whatever is lost on the way.

Komet appends what it gets, so no request but a look-up and a deletion may be repeated. The mark of each stage is
durable before the stage's first request leaves; whoever finds the mark looks up what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from workers.core.delivery.outcome import Delivered, Outcome, Rejected, Unavailable, Unknown
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.vendors.contract import Checkpoint, Delivery, Flow
from workers.vendors.komet.answers.values import text_of
from workers.vendors.komet.orders.api import CHECKED_OUT, PENDING, WebOrderRow, missing_items
from workers.vendors.komet.orders.look_up import Found, OpenOrders, State, find_open, look
from workers.vendors.komet.orders.mapping import Item, WebOrder
from workers.vendors.komet.orders.outcome import NoSuchOrder, deleted, written
from workers.vendors.komet.orders.web_shop import WebShop

CREATING: Final = "web order may have been created"
OPEN: Final = "web order is open, items are being added"
CHECKING_OUT: Final = "web order may have been checked out"

EXPIRED: Final = "open_web_order_gone"  # notes, counted
NAMELESS: Final = "open_web_order_without_reference"

CANNOT_CHANGE: Final = "Komet cannot change a web order that is checked out; cancel it, and publish a new order"


@dataclass(frozen=True, slots=True)
class Placing:
    """An order on its way into Komet."""

    shop: WebShop
    order: WebOrder
    note: str | None = None  # an anomaly, to be counted with the delivery
    second: bool = False  # its first web order was lost on the way: the next loss waits for the next attempt
    is_sure: bool = True  # False: a request of this web order may still arrive; its items are read before check-out
    may_be_checked_out: bool = False  # a check-out was sent before, and its answer was lost

    @property
    def locations(self) -> Sequence[str]:
        return (self.order.location,)

    def missing(self, row: WebOrderRow) -> tuple[Item, ...] | None:
        """The items that the web order at Komet lacks; None: it holds something else, or cannot be read."""
        return missing_items(row, self.order, self.shop.product_id_is)

    def is_ours(self, row: WebOrderRow) -> bool:
        """Whether an open web order of our reference holds nothing but our items; a person may use the same PO."""
        return row.items is None or self.missing(row) is not None

    def delivered(self, number: str, status: int | None = None, *, found: bool = False) -> Delivery:
        """Checked out."""
        return [Delivered(found=found, status=status, mark=Mark(number, self.order.hash), note=self.note)]


def place(shop: WebShop, order: WebOrder, known: Tracked | None) -> Flow[Delivery]:
    """Make the order a web order, or go on with what an earlier attempt left behind."""
    placing = Placing(shop, order)
    if known is None or known.canceled_at_ms is not None:
        return _begin(placing)
    match known.stage:
        case "":
            return (yield from _change(placing, known.order_number))
        case stage if stage == CREATING:
            return (yield from _find_created(replace(placing, is_sure=False)))
        case stage:
            resumed = replace(placing, is_sure=False, may_be_checked_out=stage == CHECKING_OUT)
            return (yield from _resume(resumed, known.order_number, stage))


def cancel(shop: WebShop, reference: str, known: Tracked) -> Flow[Delivery]:
    """Delete the order's web order, however far it has come."""
    numbers: Sequence[str] = (known.order_number,)
    if known.stage == CREATING:
        found = yield from find_open(shop, reference, shop.locations)
        if not isinstance(found, OpenOrders):
            return [found]
        numbers = [row.id for row in found.ours if not row.items]
    for number in numbers:
        failed = yield from _delete(shop, number, shop.locations)
        if failed is not None:
            return [failed]
    last = numbers[-1] if numbers else ""
    return [Delivered(found=not numbers, mark=Mark(last, known.content_hash, canceled=True))]


def first_list(stage: str) -> int:
    """In which list a web order is looked up first: where it more likely is."""
    return PENDING if stage in {CREATING, OPEN} else CHECKED_OUT


def _begin(placing: Placing) -> Checkpoint:
    """Nothing of the order is at Komet, for sure."""
    return Checkpoint(Mark("", stage=CREATING), _create(placing))


def _create(placing: Placing) -> Flow[Delivery]:
    answer = written((yield placing.shop.create(placing.order)), placing.shop.token)
    if isinstance(answer, Outcome):
        return [answer]
    number = text_of(answer.get("webOrderId"))
    if not number:
        return [Unknown("the answer to web-order.create has no webOrderId")]
    return Checkpoint(Mark(number, stage=OPEN), _fill(placing, number, placing.order.items))


def _find_created(placing: Placing) -> Flow[Delivery]:
    """The web order may be there; if it is, it is empty, unless the row of a later stage was lost."""
    found = yield from find_open(placing.shop, placing.order.reference, placing.locations)
    if not isinstance(found, OpenOrders):
        return [found]
    ours = [row for row in found.ours if placing.is_ours(row)]
    if not ours:
        return (yield from _create(replace(placing, note=NAMELESS if found.nameless else None)))
    failed = yield from _delete_others(placing, ours[0], ours)
    if failed is not None:
        return [failed]
    missing = placing.missing(ours[0])
    return Checkpoint(
        Mark(ours[0].id, stage=OPEN), _fill(placing, ours[0].id, placing.order.items if missing is None else missing)
    )


def _resume(placing: Placing, number: str, stage: str) -> Flow[Delivery]:
    """The web order is known; how far it has come is not."""
    found = yield from look(placing.shop, number, placing.locations, first_list(stage))
    if not isinstance(found, Found):
        return [found]
    match found.state:
        case State.CHECKED_OUT:
            return _compare(placing, number, found.row)
        case State.GONE:
            return _gone(placing, number)
        case State.OPEN:
            return (yield from _go_on(placing, found.row))
        case _:
            assert_never(found.state)


def _go_on(placing: Placing, row: WebOrderRow) -> Flow[Delivery]:
    """Add what the open web order lacks; one that holds anything else is deleted, because it is not checked out."""
    missing = placing.missing(row)
    if missing is None:
        return (yield from _start_over(placing, row.id))
    return (yield from _fill(placing, row.id, missing))


def _fill(placing: Placing, number: str, items: Sequence[Item]) -> Flow[Delivery]:
    for item in items:
        answer = written((yield placing.shop.add(number, placing.order, item)), placing.shop.token)
        if isinstance(answer, Rejected):
            return (yield from _refused(placing, number, answer))
        if isinstance(answer, Outcome):
            return [answer]
        other = text_of(answer.get("webOrderId"))
        if other not in {"", number}:
            return [Rejected(f"Komet put an item into web order {other} instead of {number}: look at both")]
    if not placing.is_sure:
        return (yield from _verify(placing, number))
    return _to_check_out(placing, number)


def _verify(placing: Placing, number: str) -> Flow[Delivery]:
    """Read the items once more: a request whose answer was lost may have arrived after the look-up."""
    found = yield from find_open(placing.shop, placing.order.reference, placing.locations)
    if not isinstance(found, OpenOrders):
        return [found]
    row = next((each for each in found.ours if each.id == number), None)
    if row is None:  # Komet does not keep references, or does not list without a number
        looked = yield from look(placing.shop, number, placing.locations)
        if not isinstance(looked, Found):
            return [looked]
        if looked.state is not State.OPEN:
            return [Unavailable(f"web order {number} is {looked.state.value}, before it was checked out")]
        row = looked.row
    failed = yield from _delete_others(placing, row, found.ours)
    if failed is not None:
        return [failed]
    if placing.missing(row) != ():
        return (yield from _start_over(placing, number))
    return _to_check_out(placing, number)


def _to_check_out(placing: Placing, number: str) -> Checkpoint:
    return Checkpoint(Mark(number, stage=CHECKING_OUT), _check_out(placing, number))


def _check_out(placing: Placing, number: str) -> Flow[Delivery]:
    response = yield placing.shop.check_out(number, placing.order)
    answer = written(response, placing.shop.token)
    if isinstance(answer, Rejected):
        return (yield from _refused(placing, number, answer))
    return [answer] if isinstance(answer, Outcome) else placing.delivered(number, response.status_code)


def _refused(placing: Placing, number: str, refusal: Rejected) -> Flow[Delivery]:
    """Komet refuses an item or the check-out: because the web order is no longer open, or because of the order.

    A refused order leaves no open web order behind: its items would be reserved for 3 days.
    """
    found = yield from look(placing.shop, number, placing.locations)
    if not isinstance(found, Found):
        return [found]
    match found.state:
        case State.CHECKED_OUT:  # by an earlier request, whose answer was lost
            return _compare(placing, number, found.row)
        case State.GONE if placing.second:
            return [Unavailable(f"web order {number} is gone again: {refusal.detail}")]
        case State.GONE:
            return _gone(replace(placing, second=True), number)
        case State.OPEN:
            failed = yield from _delete(placing.shop, number, placing.locations)
            if failed is not None:
                return [failed]
            return Checkpoint(Mark(number, canceled=True), _return(refusal))
        case _:
            assert_never(found.state)


def _gone(placing: Placing, number: str) -> Delivery:
    """The web order is in neither list. One whose check-out was sent may be an invoice, so that no other is made."""
    return [Rejected(_lost(number))] if placing.may_be_checked_out else _begin(replace(placing, note=EXPIRED))


def _return(outcome: Outcome) -> Flow[Delivery]:
    yield from ()
    return [outcome]


def _start_over(placing: Placing, number: str) -> Flow[Delivery]:
    """An open web order holds what it should not: a new one takes its place. It has not been checked out."""
    if placing.second:
        return [Unavailable(f"web order {number} holds other items again")]
    failed = yield from _delete(placing.shop, number, placing.locations)
    again = replace(placing, second=True, is_sure=True, may_be_checked_out=False)
    return [failed] if failed is not None else _begin(again)


def _change(placing: Placing, number: str) -> Flow[Delivery]:
    """The order was checked out with another content."""
    found = yield from look(placing.shop, number, placing.locations, first_list(""))
    if not isinstance(found, Found):
        return [found]
    if found.state is State.GONE:
        detail = f"web order {number} is gone at Komet; cancel the order, and publish a new one"
        return [Rejected(detail, blocks_following=False)]
    return _compare(placing, number, found.row)


def _compare(placing: Placing, number: str, row: WebOrderRow) -> Delivery:
    """A web order that is checked out: done, if it holds our items as far as they can be read."""
    if row.items is not None and placing.missing(row) != ():
        return [Rejected(f"web order {number}: {CANNOT_CHANGE}", blocks_following=False)]
    return placing.delivered(number, found=True)


def _delete_others(placing: Placing, kept: WebOrderRow, ours: Sequence[WebOrderRow]) -> Flow[Outcome | None]:
    """Delete the web orders that lost answers have left behind."""
    for row in ours:
        if row.id != kept.id and placing.is_ours(row):
            failed = yield from _delete(placing.shop, row.id, placing.locations)
            if failed is not None:
                return failed
    return None


def _delete(shop: WebShop, number: str, locations: Sequence[str]) -> Flow[Outcome | None]:
    """Delete a web order; None: it is deleted, or was.

    Invariant: a refusal counts as done only when Komet says that there is no such web order, and both lists agree. A
    web order that became an invoice may be in neither list: its goods would come although we call it canceled.
    """
    answer = deleted((yield shop.delete(number)), shop.token)
    if isinstance(answer, NoSuchOrder):
        found = yield from look(shop, number, locations)
        if not isinstance(found, Found):
            return found
        return None if found.state is State.GONE else _kept(number, answer.reason)
    if isinstance(answer, Rejected):
        return _kept(number, answer.detail)
    return answer if isinstance(answer, Outcome) else None


def _kept(number: str, why: str) -> Rejected:
    return Rejected(f"Komet does not delete web order {number}: {why}")


def _lost(number: str) -> str:
    return (
        f"web order {number} is gone at Komet, and may have been checked out: look for it there; if it was not,"
        " discard this record and publish the order again"
    )
