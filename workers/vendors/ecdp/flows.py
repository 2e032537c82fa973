"""ECDP's flows: create many orders, change a status, find, delete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeGuard

import httpx

from workers.core.delivery.outcome import Delivered, Outcome, Rejected, Throttled, Unavailable, Unknown, UnknownOrder
from workers.vendors._shared.answers import is_page, one_line
from workers.vendors._shared.bisect import bisect
from workers.vendors.contract import Attempt, Call, Flow, MaybeSent, NotSent
from workers.vendors.ecdp.api import FoundOrder, Mode
from workers.vendors.ecdp.existing_order import differences, found_order, has_status, is_deleted
from workers.vendors.ecdp.mapping import Body
from workers.vendors.ecdp.outcome import outcome_of
from workers.vendors.ecdp.requests import EcdpRequests

MAX_BATCHED_TRIES: Final = 3  # an order that was tried more often goes alone: it may be what makes ECDP fail
NOT_ABOUT_CONTENT: Final = frozenset({413, 415})  # refusals that a look-up of the order cannot explain
SERVER_ERRORS: Final = frozenset(range(500, 600)) - {503}  # after which an Add may have been applied
PASSING: Final = frozenset({408, 425})


def find(ecdp: EcdpRequests, order_id: str) -> Flow[FoundOrder | Outcome]:
    """Return the order, `UnknownOrder`, or why ECDP did not answer; raises `LimitError` for an impossible id."""
    try:
        response = yield ecdp.get(order_id)
    except (NotSent, MaybeSent) as error:
        return Unavailable(f"look-up: {error}")
    return _found(ecdp, response)


def _found(ecdp: EcdpRequests, response: httpx.Response) -> FoundOrder | Outcome:
    outcome = outcome_of(response, "find", ecdp.api_key)
    if not isinstance(outcome, Delivered):
        return outcome
    return found_order(response) or Unavailable("look-up: the answer holds no order that can be read", outcome.status)


def delete(ecdp: EcdpRequests, order_id: str) -> Flow[Outcome]:
    """Mark the order as deleted; a repeat is harmless. Raises `LimitError` for an impossible id."""
    response = yield ecdp.delete(order_id)
    return outcome_of(response, "delete", ecdp.api_key)


def set_status(ecdp: EcdpRequests, call: Call) -> Flow[Outcome]:
    """Set the order's status; a repeat is harmless.

    ECDP's answer for an order that it does not know is not documented: 404 says so, and after a refusal we look it up.
    """
    body: Body = call.payload
    response = yield ecdp.put(body.json)
    outcome = outcome_of(response, "status", ecdp.api_key)
    if _is_unclear(outcome):
        found = yield from _look_up(ecdp, call.order_id)
        if isinstance(found, FoundOrder):
            return Delivered(status=outcome.status) if has_status(found, body.json) else outcome
        return found if isinstance(found, UnknownOrder) else outcome
    if not isinstance(outcome, Rejected) or outcome.status in NOT_ABOUT_CONTENT:
        return outcome
    found = yield from _look_up(ecdp, call.order_id)
    if isinstance(found, NoLookUp):  # it may have no such order: the create, if it comes, must not wait behind this
        return UnknownOrder(one_line(f"{outcome.detail}; {found.said}"), found.status)
    return outcome if isinstance(found, FoundOrder | Rejected) else found


@dataclass(frozen=True, slots=True)
class NoLookUp:
    """ECDP answers other requests, but a server in between refuses to look up this id."""

    said: str
    status: int


def _look_up(ecdp: EcdpRequests, order_id: str) -> Flow[FoundOrder | NoLookUp | Outcome]:
    """`find`, after ECDP has answered another request about the order: its address and our key are right."""
    try:
        response = yield ecdp.get(order_id)
    except (NotSent, MaybeSent) as error:
        return Unavailable(f"look-up: {error}")
    found, status = _found(ecdp, response), response.status_code
    own_refusal = isinstance(found, Rejected) and not is_page(response) and response.content.strip()
    passing = isinstance(found, UnknownOrder | Throttled) or status in PASSING
    if response.is_success or response.is_server_error or own_refusal or passing:
        return found
    signs = "".join(dict.fromkeys(re.sub(r"[A-Za-z0-9_~-]|\.(?!$)", "", order_id)))
    said = f"the look-up was answered with {'a page' if is_page(response) else 'an error'} (HTTP {status})"
    return NoLookUp(f"{said}; the order id holds `{signs}`" if signs else said, status)


def create(ecdp: EcdpRequests, mode: Mode, attempts: Sequence[Attempt]) -> Flow[list[Outcome]]:
    """Send all orders in one request; in the end only bad ones are refused, and no accepted one is sent again."""
    ids = [attempt.call.order_id for attempt in attempts]
    assert len(set(ids)) == len(ids), "one order twice in a request: ECDP would choose their sequence"
    known = (yield from _already_there(ecdp, attempts)) if mode == "Add" else {}
    to_send = [attempt for attempt in attempts if attempt.call.order_id not in known]
    sent = yield from bisect(to_send, partial(_post, ecdp, mode), alone=lambda each: each.number > MAX_BATCHED_TRIES)
    seen = yield from _unclear_looked_up(ecdp, to_send, sent)
    known |= {attempt.call.order_id: outcome for attempt, outcome in zip(to_send, seen, strict=True)}
    return [known[order_id] for order_id in ids]


def _is_unclear(outcome: Outcome) -> TypeGuard[Unknown]:
    """Whether the answer was 2xx, and not one that is known to mean success."""
    return isinstance(outcome, Unknown) and outcome.status is not None and httpx.codes.is_success(outcome.status)


def _unclear_looked_up(
    ecdp: EcdpRequests, attempts: Sequence[Attempt], outcomes: Sequence[Outcome]
) -> Flow[list[Outcome]]:
    """Look up each order whose answer was unclear: it is delivered if ECDP has all that was sent of it."""
    seen: list[Outcome] = []
    asks = True
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        if not (asks and _is_unclear(outcome)):
            seen.append(outcome)
            continue
        found = yield from _look_up(ecdp, attempt.call.order_id)
        asks = isinstance(found, FoundOrder | NoLookUp | UnknownOrder)  # else ECDP tells nothing now
        has_it = isinstance(found, FoundOrder) and not differences(attempt.call.payload.json, found, whole=True)
        if isinstance(found, UnknownOrder):
            seen.append(Unavailable(f"{outcome.reason}; ECDP does not have the order", outcome.status))
        else:
            seen.append(Delivered(status=outcome.status) if has_it else outcome)
    return seen


def _post(ecdp: EcdpRequests, mode: Mode, attempts: Sequence[Attempt]) -> Flow[Outcome]:
    try:
        response = yield ecdp.post(mode, [attempt.call.payload.json for attempt in attempts])
    except NotSent as error:
        return Unavailable(str(error))
    except MaybeSent as error:
        return Unknown(str(error))
    outcome = outcome_of(response, "replace" if mode == "Replace" else "add", ecdp.api_key)
    if mode != "Add":
        return outcome
    if isinstance(outcome, Unavailable) and (outcome.status or 0) in SERVER_ERRORS:
        return Unknown(outcome.reason, outcome.status)  # a repeated Add might create a second order: look it up first
    if isinstance(outcome, Rejected) and len(attempts) == 1 and outcome.status not in NOT_ABOUT_CONTENT:
        return (yield from _refused_add(ecdp, attempts[0].call, outcome))
    return outcome


def _refused_add(ecdp: EcdpRequests, call: Call, refusal: Rejected) -> Flow[Outcome]:
    """ECDP may have the order from an earlier try whose answer was lost, even before a restart of the relay."""
    found = yield from _look_up(ecdp, call.order_id)
    if isinstance(found, FoundOrder):
        return _same_or_not(call, found, refusal)
    if isinstance(found, NoLookUp):
        return replace(refusal, detail=one_line(f"{refusal.detail}; {found.said}"))
    return refusal if isinstance(found, UnknownOrder | Rejected) else found


def _already_there(ecdp: EcdpRequests, attempts: Sequence[Attempt]) -> Flow[dict[str, Outcome]]:
    """Look up each `Add` that an earlier try may have applied; the result leaves out those not found, to be sent."""
    known: dict[str, Outcome] = {}
    fault: Outcome | None = None  # the first look-up that fails counts for the rest too
    for call in (attempt.call for attempt in attempts if attempt.unknown):
        found = fault or (yield from _look_up(ecdp, call.order_id))
        match found:
            case NoLookUp(said, status):
                known[call.order_id] = Unknown(said, status)
            case UnknownOrder():
                continue
            case FoundOrder():
                known[call.order_id] = _same_or_not(call, found, None)
            case Unavailable(reason, status):
                fault = known[call.order_id] = Unknown(reason, status)  # still unknown whether it was applied
            case _:
                fault = known[call.order_id] = found
    return known


def _same_or_not(call: Call, found: FoundOrder, refusal: Rejected | None) -> Outcome:
    fields = ["IsDeleted"] if is_deleted(found) else differences(call.payload.json, found)
    if not fields:
        return Delivered(found=True)
    detail = f"ECDP has another order of this id; different: {', '.join(fields)}"
    return Rejected(one_line(f"{refusal.detail}; {detail}" if refusal else detail), refusal.status if refusal else None)
