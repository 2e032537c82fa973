"""What Komet's answers to writes mean. Reads are judged by `komet.answers`; NOTES.md decides what is open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Throttled, Unavailable, Unknown
from workers.vendors.komet.answers.outcome import Body, Refused, answer_of, as_fault, is_nothing

Written: TypeAlias = Body | Rejected | Throttled | Denied | Unknown
"""The body of a success, or why there is none."""

_FAILED: Final = re.compile(
    r"error (has |have )?occurred|unexpected|time(d)?[ -]?out|try again|temporar", re.IGNORECASE
)
_CANCELED: Final = re.compile(r"\balready\b.{0,20}\b(cancel|delet|void)|does not exist", re.IGNORECASE)


def written(response: httpx.Response, token: str) -> Written:
    """What the answer to create, item.add or checkout means; never raises.

    Each does harm when it is repeated. So every answer that does not say what became of it is `Unknown`, and the
    web order is looked up: 5xx, 408, a page, a body without Komet's status.
    """
    answer = answer_of(response, token)
    match answer:
        case Refused():
            return _refusal(answer)
        case Unavailable(reason=reason, status=status):
            return Unknown(reason, status)
        case _:
            return answer


@dataclass(frozen=True, slots=True)
class NoSuchOrder:
    """Komet refuses to delete a web order because it has none of that number, or because it is canceled already."""

    reason: str


def deleted(response: httpx.Response, token: str) -> Body | NoSuchOrder | Outcome:
    """The same for delete, which may be repeated: a web order that is deleted stays deleted."""
    answer = answer_of(response, token)
    if not isinstance(answer, Refused):
        return answer
    if is_nothing(answer.message) or _CANCELED.search(answer.message):
        return NoSuchOrder(answer.reason)
    return _refusal(answer)


def _refusal(refused: Refused) -> Rejected | Throttled | Denied | Unknown:
    """Status 0: about this web order, unless its words are about the token, the day's requests or a failure."""
    fault = as_fault(refused)
    if not isinstance(fault, Unavailable):
        return fault
    if _FAILED.search(refused.message):
        return Unknown(refused.reason, refused.status)
    return Rejected(refused.reason, refused.status)
