"""Conversations with e-Courier: find an order, save it once, cancel it, quote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.core.delivery.tracked_order import Mark
from workers.vendors._shared.answers import bounded
from workers.vendors._shared.check import reached
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent
from workers.vendors.ecourier.lookup import FoundOrder, differences, found_order, has_code, is_ours
from workers.vendors.ecourier.mapping import DELETED, NEW, Fields, order_json
from workers.vendors.ecourier.outcome import outcome_of
from workers.vendors.ecourier.wire import Wire, wire

NOT_OURS = "e-Courier has an order of this number that is not ours: its CustomerCode or Auth differs"
NEVER_SAVED = "canceled, and never saved"
SECRETS: Final = ("PASSWORD", "USER_GUID")


@dataclass(frozen=True, slots=True)
class Save:
    """An order to create or to update."""

    number: str
    fields: Fields
    hash: str
    known: bool = False  # an earlier delivery of it left a mark
    reopens: bool = False  # what is known last is that it was canceled

    def json(self, *, reopens: bool = False) -> bytes:
        """Return the body of SaveOrder. Reopened is what must not stay deleted: no driver would come."""
        return order_json(self.fields | ({"OrderStatus": NEW} if reopens or self.reopens else {}))


@dataclass(frozen=True, slots=True)
class Cancel:
    """An order to delete."""

    number: str
    known: bool
    hash: str  # of what was delivered last; empty when nothing is known
    customer_code: str | None  # whose it must be when nothing else is known of it


Payload: TypeAlias = Save | Cancel


@dataclass(frozen=True, slots=True)
class Account:
    """Where and as whom to ask."""

    wire: Wire
    secrets: Sequence[str] = field(repr=False)


def account_of(credentials: Credentials) -> Account:
    """Read the variables as they are now; raises `SetUpError`."""
    here = wire(credentials["BASE_URL"], credentials["TIME_ZONE"])
    return Account(here, [credentials[name] for name in SECRETS])


def check(credentials: Credentials, number: str) -> Flow[Outcome]:
    """Ask for an order that hardly exists: where address and user are right e-Courier does not find it."""
    try:
        account = account_of(credentials)
    except SetUpError as error:
        return Denied(str(error))
    return reached((yield from find(account, number)))


def find(account: Account, number: str) -> Flow[FoundOrder | Outcome]:
    """Return the order, `UnknownOrder` when there is none of that number, or why it cannot be told."""
    try:
        response = yield account.wire.get(number)
    except (NotSent, MaybeSent) as error:
        return Unavailable(f"look-up: {error}")
    outcome = outcome_of(response, "find", account.secrets)
    if not isinstance(outcome, Delivered):
        return outcome
    return found_order(response) or Unavailable("look-up: the answer holds no order that can be read", outcome.status)


def save(account: Account, order: Save, *, look_up: bool, unknown: bool) -> Flow[Outcome]:
    """Create or update the order; a look-up before says whether that is needed, and allowed."""
    reopens, is_there = False, order.known
    if look_up or unknown:
        found = yield from find(account, order.number)
        if isinstance(found, FoundOrder):
            verdict = _verdict(order, found)
            if verdict is not None:
                return verdict
            reopens = found.is_deleted and not order.known  # one that is known was deleted by their own people
            is_there = True
        elif not isinstance(found, UnknownOrder):
            return _still_unknown(found) if unknown else found
    outcome = yield from _post(account, order.json(reopens=reopens), Mark(order.number, order.hash))
    # Where nothing is saved a cancellation finds nothing: had it passed, a replay would save the order for good.
    return outcome if is_there or not isinstance(outcome, Rejected) else replace(outcome, blocks_following=True)


def cancel(account: Account, order: Cancel) -> Flow[Outcome]:
    """Set the order's status to X if it is there; a repeat finds it deleted."""
    found = yield from find(account, order.number)
    if isinstance(found, UnknownOrder):
        return Skipped(NEVER_SAVED, supersedes=True)
    if not isinstance(found, FoundOrder):
        return found
    if not order.known and not has_code(found, order.customer_code):
        return Rejected(NOT_OURS)
    mark = Mark(order.number, order.hash, canceled=True)
    if found.is_deleted:
        return Delivered(found=True, mark=mark)
    return (yield from _post(account, order_json(cancel_fields(order.number, found)), mark))


def cancel_fields(number: str, found: FoundOrder | None = None) -> Fields:
    """Return the Order element that cancels: who it is of and what it is stay as they are at e-Courier."""
    kept = (found.customer_code, found.order.service, found.order.auth) if found else (None, None, None)
    same = dict(zip(("CustomerCode", "Service", "Auth"), kept, strict=True))
    return {"OrderNumber": number, **{name: value for name, value in same.items() if value}, "OrderStatus": DELETED}


def quote(account: Account, order: Save) -> Flow[FoundOrder | Outcome]:
    """Ask what a delivery would cost; nothing is created."""
    response = yield account.wire.quote(order.json())
    outcome = outcome_of(response, "quote", account.secrets)
    if not isinstance(outcome, Delivered):
        return outcome
    return found_order(response) or Unavailable("the answer holds no quote that can be read", outcome.status)


def _post(account: Account, json: bytes, mark: Mark) -> Flow[Outcome]:
    response = yield account.wire.save(json)
    outcome = outcome_of(response, "save", account.secrets)
    return Delivered(status=outcome.status, mark=mark) if isinstance(outcome, Delivered) else outcome


def _verdict(order: Save, found: FoundOrder) -> Outcome | None:
    """What the order that is there means for ours; None: save it."""
    if not order.known and not is_ours(found, order.fields):
        return Rejected(bounded(f"{NOT_OURS}; change order_number_prefix, or the order's id"))
    if found.is_deleted or differences(found, order.fields):
        return None
    return Delivered(found=True, mark=Mark(order.number, order.hash))


def _still_unknown(found: Outcome) -> Outcome:
    """A look-up that fails leaves it as it was: nobody knows whether the order was saved."""
    return Unknown(found.reason, found.status) if isinstance(found, Unavailable) else found
