"""How long a vendor's requests take, by operation and outcome."""

from typing import Any, Final

import httpx

from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Rejected,
    Skipped,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.core.histograms import LabelledHistograms
from workers.vendors._shared.requests import OPERATION
from workers.vendors.contract import NotSent

BOUNDS_S: Final = (0.1, 0.5, 2.0, 5.0, 30.0)  # RelayVendorSlow asks how many take longer than 5 s

OK: Final = "ok"
_BY_TYPE: Final = {  # the gravest first: it is the word for a request of several records
    Denied: "denied",
    Throttled: "throttled",
    Unavailable: "unavailable",
    Unknown: "unknown",
    Rejected: "rejected",
    UnknownOrder: "unknown_order",
    Delivered: OK,
    Skipped: OK,
}
_DENIED: Final = (401, 403)
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_FIRST_ERROR: Final = 400
_FIRST_FAILURE: Final = 500


class Durations:
    """A request's outcome is its flow's where the flow ends with it: only the flow can read the vendor's answer."""

    def __init__(self, vendor: str) -> None:
        self.histograms = LabelledHistograms(("operation", "outcome"), BOUNDS_S, {"vendor": vendor})

    def lost(self, request: httpx.Request, took_s: float, error: Exception) -> None:
        """The transport gave no answer."""
        self._record(request, took_s, "unavailable" if isinstance(error, NotSent) else "unknown")

    def answered(self, request: httpx.Request, took_s: float, response: httpx.Response) -> None:
        """Its flow goes on with the answer."""
        self._record(request, took_s, _word_of_answer(request, response))

    def ended(self, request: httpx.Request, took_s: float, response: httpx.Response, value: Any) -> None:
        """Its flow ended with the answer, and with this value."""
        self._record(request, took_s, _word_of_value(value) or _word_of_answer(request, response))

    def _record(self, request: httpx.Request, took_s: float, word: str) -> None:
        self.histograms.record(took_s, request.extensions.get(OPERATION, request.method), word)


def _word_of_value(value: Any) -> str | None:
    """None: the value says nothing of an outcome, such as a poll's reading."""
    if isinstance(value, list | tuple):
        kinds = set(map(type, value))
        return next((word for kind, word in _BY_TYPE.items() if kind in kinds), None)
    return _BY_TYPE.get(type(value))


def _word_of_answer(request: httpx.Request, response: httpx.Response) -> str:
    status = response.status_code
    if status < _FIRST_ERROR or "look_up" in request.extensions:
        return OK  # some vendors answer 404 or 500 to a question for an order that they do not have
    if status in _DENIED:
        return "denied"
    if status == _TOO_MANY or (status == _UNAVAILABLE and "retry-after" in response.headers):
        return "throttled"
    return "rejected" if status < _FIRST_FAILURE else "unavailable"
