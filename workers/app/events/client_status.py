"""What a vendor's client has counted, as ``GET /status`` shows it, and ``/metrics``; the same for sinks and pollers."""

from dataclasses import dataclass
from typing import Annotated, Any

from workers.core.histograms import LabelledHistograms
from workers.core.metrics import counted, distributed, measured, status_of
from workers.edges.http.client import VendorClient


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What the vendor's client has counted since its start."""

    request_duration_seconds: Annotated[
        LabelledHistograms,
        distributed(
            "Time from a request to its whole answer, and how many there were", "vendor", "operation", "outcome"
        ),
    ]
    look_ups: Annotated[int, counted("Requests that only asked the vendor whether it has an order")]
    requests_held: Annotated[
        int, counted("Requests and answers that waited because the group's membership was not proved any more")
    ]


@dataclass(frozen=True, slots=True)
class LoginCounts:
    """The same, of a vendor that wants a login."""

    logins: Annotated[int, counted("Logins to a vendor that has sessions")]
    login_failures: Annotated[int, counted("Logins that gave no session")]


@dataclass(frozen=True, slots=True)
class BudgetGauges:
    """Of a vendor that grants so many requests for a time: what its workers share."""

    budget_left_requests: Annotated[
        int, measured("Requests that the vendor's budget grants this worker now, if no other sends one. Alert on it")
    ]
    budget_limit_requests: Annotated[
        int, measured("The same, when nothing is spent: of a poller, without what is kept for writes")
    ]


def client_status(client: VendorClient) -> dict[str, Any]:
    """Requests, logins where the vendor wants them, and what is left where the vendor counts."""
    session = client.session
    logins = {} if session is None else status_of(LoginCounts(session.logins, session.failed_logins))
    budget = {} if client.budget is None else status_of(BudgetGauges(client.budget.left, client.budget.limit))
    return status_of(RequestCounts(client.durations, client.look_ups, client.membership.held)) | logins | budget
