"""e-Courier's flows: save an order once, cancel it, quote it."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from workers.core.delivery.outcome import (
    Delivered,
    Outcome,
    Rejected,
    Skipped,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.core.delivery.tracked_order import Mark
from workers.vendors._shared.answers import one_line
from workers.vendors.contract import Flow
from workers.vendors.ecourier.existing_order import ExistingOrder, differences, existing_order, is_ours
from workers.vendors.ecourier.look_up import EcourierAccount, find
from workers.vendors.ecourier.mapping import DELETED, NEW, Fields, order_json
from workers.vendors.ecourier.numbering import Numbering, found_again
from workers.vendors.ecourier.outcome import BY_RULE, outcome_of

NOT_OURS = "e-Courier has an order of this number that is not ours: its OrderNumber or CustomerCode differs"
NEVER_SAVED = "canceled, and never saved"
LOST: Final = (
    "e-Courier does not find this order, which it has taken before; a courier may still drive: ask e-Courier's customer"
)
NOT_FOUND_AGAIN: Final = "saved_order_not_found"  # a note, counted


@dataclass(frozen=True, slots=True)
class Save:
    """An order to create or to update."""

    number: str
    fields: Fields
    hash: str
    known: bool = False  # an earlier delivery of the order left a mark
    reopens: bool = False  # the last delivery canceled it

    def json(self, *, reopens: bool = False) -> bytes:
        """Return the body of SaveOrder; ``reopens`` undeletes the order, or no driver would come."""
        return order_json(self.fields | ({"OrderStatus": NEW} if reopens or self.reopens else {}))


@dataclass(frozen=True, slots=True)
class Cancel:
    """An order to delete."""

    number: str
    known: bool
    hash: str  # of the content delivered last; empty when the order left no mark
    customer_code: str | None  # the owner that it must have when it left no mark


Payload: TypeAlias = Save | Cancel


def save(account: EcourierAccount, order: Save, numbering: Numbering, *, look_up: bool, unknown: bool) -> Flow[Outcome]:
    """Create or update the order; a look-up before it decides whether that is needed and allowed."""
    found: ExistingOrder | None = None
    if look_up or unknown or (order.known and not numbering.proven):
        before = yield from _before_save(account, order, numbering, unknown=unknown)
        if isinstance(before, Outcome):
            return before
        found = before
    reopens = found is not None and found.is_deleted and not order.known  # e-Courier's staff deleted a known order
    outcome = yield from _post(account, order.json(reopens=reopens), Mark(order.number, order.hash))
    match outcome:
        case Delivered() if not numbering.proven:
            numbering.saved(order.number)
            lost = yield from found_again(account, order.number, numbering)  # if it fails, `doubt` asks again
            return replace(outcome, note=NOT_FOUND_AGAIN if isinstance(lost, UnknownOrder) else None)
        case Rejected(status=status):
            # An order that can no longer be modified may still be canceled. If a refused first save let the
            # cancellation pass, it would find no order, and a replay would then save one.
            exists = order.known or found is not None
            return replace(outcome, blocks_following=not exists or status != BY_RULE)
        case _:
            return outcome


def _before_save(
    account: EcourierAccount, order: Save, numbering: Numbering, *, unknown: bool
) -> Flow[ExistingOrder | Outcome | None]:
    """Look the order up; an outcome: it must not be saved, or need not; None: e-Courier does not have it."""
    found = yield from find(account, order.number)
    match found:
        case ExistingOrder():
            decided = _needs_no_save(order, found)
            if not isinstance(decided, Rejected):
                numbering.found()
            return decided or found
        case UnknownOrder(status=status):
            return Rejected(LOST, status) if order.known and not numbering.proven else None
        case _:
            return _still_unknown(found) if unknown else found


def cancel(account: EcourierAccount, order: Cancel, numbering: Numbering) -> Flow[Outcome]:
    """Set the order's status to X if e-Courier has it; a repeat finds it deleted."""
    found = yield from find(account, order.number)
    if isinstance(found, UnknownOrder):
        return Rejected(LOST, found.status) if order.known else Skipped(NEVER_SAVED, supersedes=True)
    if not isinstance(found, ExistingOrder):
        return found
    if not order.known and not is_ours(found, order.number, order.customer_code):
        return Rejected(NOT_OURS)
    numbering.found()
    mark = Mark(order.number, order.hash, canceled=True)
    if found.is_deleted:
        return Delivered(found=True, mark=mark)
    return (yield from _post(account, order_json(cancel_fields(order.number, found)), mark))


def cancel_fields(number: str, found: ExistingOrder | None = None) -> Fields:
    """Return the Order element that cancels; owner, service and reference stay as e-Courier has them."""
    kept = (found.customer_code, found.order.service, found.order.auth) if found else (None, None, None)
    same = dict(zip(("CustomerCode", "Service", "Auth"), kept, strict=True))
    texts = {name: html.unescape(value) for name, value in same.items() if value}
    return {"OrderNumber": number, **texts, "OrderStatus": DELETED}


def quote(account: EcourierAccount, order: Save) -> Flow[ExistingOrder | Outcome]:
    """Ask for the price of a delivery; creates nothing."""
    response = yield account.requests.quote(order.json())
    outcome = outcome_of(response, "quote", account.secrets)
    if not isinstance(outcome, Delivered):
        return outcome
    return existing_order(response) or Unavailable("the answer holds no quote that can be read", outcome.status)


def _post(account: EcourierAccount, json: bytes, mark: Mark) -> Flow[Outcome]:
    response = yield account.requests.save(json)
    outcome = outcome_of(response, "save", account.secrets)
    return Delivered(status=outcome.status, mark=mark) if isinstance(outcome, Delivered) else outcome


def _needs_no_save(order: Save, found: ExistingOrder) -> Outcome | None:
    """The outcome, when the existing order is not ours or equal to ours; None: save."""
    if not order.known and not is_ours(found, order.number, order.fields.get("CustomerCode")):
        return Rejected(one_line(f"{NOT_OURS}; change order_number_prefix, or the order's id"))
    if found.is_deleted or differences(found, order.fields):
        return None
    return Delivered(found=True, mark=Mark(order.number, order.hash))


def _still_unknown(found: Outcome) -> Outcome:
    """A failed look-up leaves unknown whether the order was saved."""
    return Unknown(found.reason, found.status) if isinstance(found, Unavailable) else found
