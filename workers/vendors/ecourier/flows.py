"""e-Courier's flows: find an order, save it once, cancel it, quote it."""

from __future__ import annotations

import html
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
from workers.vendors._shared.answers import one_line
from workers.vendors._shared.check import check_outcome
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent
from workers.vendors.ecourier.existing_order import ExistingOrder, differences, existing_order, is_ours
from workers.vendors.ecourier.mapping import DELETED, NEW, Fields, order_json
from workers.vendors.ecourier.outcome import outcome_of
from workers.vendors.ecourier.requests import EcourierRequests, ecourier_requests

NOT_OURS = "e-Courier has an order of this number that is not ours: its OrderNumber or CustomerCode differs"
NEVER_SAVED = "canceled, and never saved"
NO_ORDER = "look-up: the answer holds no order that can be read"
SECRETS: Final = ("PASSWORD", "USER_GUID")


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


@dataclass(frozen=True, slots=True)
class EcourierAccount:
    """A site's requests, and the secrets to hide in its messages."""

    requests: EcourierRequests
    secrets: Sequence[str] = field(repr=False)


def account_of(credentials: Credentials) -> EcourierAccount:
    """Read the variables' present values; raises `SetUpError`."""
    requests = ecourier_requests(credentials["BASE_URL"], credentials["TIME_ZONE"])
    return EcourierAccount(requests, [credentials[name] for name in SECRETS])


def check(credentials: Credentials, number: str) -> Flow[Outcome]:
    """Look up an improbable order, which e-Courier does not find when address and user are right."""
    try:
        account = account_of(credentials)
    except SetUpError as error:
        return Denied(str(error))
    return check_outcome((yield from find(account, number)))


def find(account: EcourierAccount, number: str) -> Flow[ExistingOrder | Outcome]:
    """Return the order, `UnknownOrder` when e-Courier has none of that number, or why it did not answer."""
    try:
        response = yield account.requests.get(number)
    except (NotSent, MaybeSent) as error:
        return Unavailable(f"look-up: {error}")
    outcome = outcome_of(response, "find", account.secrets)
    if not isinstance(outcome, Delivered):
        return outcome
    return existing_order(response) or Unavailable(NO_ORDER, outcome.status)


def save(account: EcourierAccount, order: Save, *, look_up: bool, unknown: bool) -> Flow[Outcome]:
    """Create or update the order; a look-up before it decides whether that is needed and allowed."""
    reopens, exists = False, order.known
    if look_up or unknown:
        found = yield from find(account, order.number)
        if isinstance(found, ExistingOrder):
            decided = _needs_no_save(order, found)
            if decided is not None:
                return decided
            reopens = found.is_deleted and not order.known  # a known order was deleted by e-Courier's own staff
            exists = True
        elif not isinstance(found, UnknownOrder):
            return _still_unknown(found) if unknown else found
    outcome = yield from _post(account, order.json(reopens=reopens), Mark(order.number, order.hash))
    # If a refused first save let the cancellation pass, it would find no order, and a replay would then save one.
    return outcome if exists or not isinstance(outcome, Rejected) else replace(outcome, blocks_following=True)


def cancel(account: EcourierAccount, order: Cancel) -> Flow[Outcome]:
    """Set the order's status to X if e-Courier has it; a repeat finds it deleted."""
    found = yield from find(account, order.number)
    if isinstance(found, UnknownOrder):
        return Skipped(NEVER_SAVED, supersedes=True)
    if not isinstance(found, ExistingOrder):
        return found
    if not order.known and not is_ours(found, order.number, order.customer_code):
        return Rejected(NOT_OURS)
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
