"""Reads one order at e-Courier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.vendors._shared.check import check_outcome
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent
from workers.vendors.ecourier.existing_order import ExistingOrder, existing_order
from workers.vendors.ecourier.options import LOGIN
from workers.vendors.ecourier.outcome import outcome_of
from workers.vendors.ecourier.requests import EcourierRequests, ecourier_requests

NO_ORDER: Final = "look-up: the answer holds no order that can be read"
GUID_ALONE: Final = (
    "only {USER_GUID} is set: when e-Courier forgets it (20 days without use), a person must set another"
)
SECRETS: Final = ("PASSWORD", "USER_GUID")


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
    outcome = check_outcome((yield from find(account, number)))
    if isinstance(outcome, Delivered) and not all(credentials[name] for name in LOGIN):
        return replace(outcome, remarks=(GUID_ALONE,))
    return outcome


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
