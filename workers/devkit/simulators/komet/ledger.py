"""Komet without HTTP: token, quota, envelope, and the seller behind them, driven by any clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.komet.customer_reads import CUSTOMER_READS
from workers.devkit.simulators.komet.envelope import OK, Asked, Method, RefusedError, envelope
from workers.devkit.simulators.komet.reads import READS
from workers.devkit.simulators.komet.seller import DAY_MS, Seller
from workers.devkit.simulators.komet.web_orders import LIFE_MS, WEB_ORDERS, WebOrders
from workers.devkit.simulators.server import Answer, Received

PATH: Final = "/api"
TOKEN: Final = "authenticationToken"  # noqa: S105 - the name of a parameter and of a header
CHANGES: Final = 0.5  # a second, unless the knob says otherwise
METHODS: Final[Mapping[str, Method]] = {**READS, **CUSTOMER_READS, **WEB_ORDERS}
DENIED: Final = "Invalid authentication token."
SPENT: Final = "The daily limit of requests was reached."


@dataclass
class KometLedger:
    """`Behaviour` of Komet; counts each request that reaches it."""

    token: str
    seller: Seller
    lived_ms: int | None = None  # up to when things have happened by themselves
    period_ms: int = DAY_MS  # of the quota
    requests_ms: deque[int] = field(default_factory=deque)  # when those of the last period came
    most_requests: int = 0  # in any period
    requests_by_method: Counter[str] = field(default_factory=Counter)
    events: list[dict[str, Any]] = field(default_factory=list)
    web_orders: WebOrders = field(init=False)

    def __post_init__(self) -> None:
        self.web_orders = WebOrders(self.seller)

    def answer(self, request: Received, faults: Faults) -> Answer:
        """Answer one method."""
        name = request.path.removeprefix(f"{PATH}/")
        self._count(name)
        self._live(faults)
        self.period_ms = DAY_MS if faults.quota_per is None else round(faults.quota_per * 1000)
        if faults.quota is not None and self.requests_today > faults.quota:
            return envelope(0, SPENT, {}, faults, http=faults.quota_answer)
        method = METHODS.get(name)
        if method is None or request.method != method.http:
            return envelope(0, "Unknown method.", {}, faults, http=404)
        if self._token_in(request, method) != self.token or name in faults.forbidden_methods:
            return envelope(0, DENIED, {}, faults)
        try:
            members = method.answer(Asked(_parameters(request), self.seller, self.web_orders, faults))
        except RefusedError as refused:
            return envelope(0, str(refused), {}, faults)
        return envelope(1, OK, members, faults)

    def trouble(self, status: int) -> Answer:
        """Answer with an error that Komet's pages do not describe."""
        self._count("trouble")
        return Answer(status, orjson.dumps({"status": 0, "message": "An error has occurred."}))

    def refused_with_200(self) -> Answer:
        """Answer 200 with status 0."""
        self._count("trouble")
        return Answer(200, orjson.dumps({"status": 0, "message": "An error has occurred."}))

    @property
    def requests_today(self) -> int:
        """Requests of the period that ends now."""
        since = self.seller.clock_ms() - self.period_ms
        while self.requests_ms and self.requests_ms[0] <= since:
            self.requests_ms.popleft()
        return len(self.requests_ms)

    def stats(self) -> dict[str, Any]:
        """Count the day's requests, and what the seller has."""
        return {
            "requests_today": self.requests_today,
            "most_requests_in_a_day": self.most_requests,
            "requests_by_method": dict(self.requests_by_method),
            "invoices": len(self.seller.invoices),
            "changes": len(self.events),
            **self.web_orders.stats(),
        }

    def orders(self) -> dict[str, Any]:
        """Every web order by its number and every prebook by `P` and its number, as they are now."""
        web = {
            str(one.number): {"stage": one.latest.status, "id": one.id, **self.web_orders.shown_with(one.id)}
            for one in self.seller.invoices.values()
            if one.is_web
        }
        prebooks = {f"P{one.number}": {"stage": int(one.checked_out), "id": one.id} for one in self.seller.prebooks}
        return web | prebooks

    def log(self, start: int) -> list[dict[str, Any]]:
        """The changes of invoices from an index on."""
        return self.events[start:]

    def move(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Change one invoice by hand: ``{"number": 50001, "status": 1}``; raises ValueError."""
        invoice = self.seller.by_number(int(wanted.get("number", 0)))
        if invoice is None:
            raise ValueError("there is no invoice of that number")
        self.seller.change(invoice, status=int(wanted["status"]))
        return self._note(invoice.id)

    def happen(self, count: int, faults: Faults) -> None:
        """Let so many things happen."""
        for _ in range(count):
            self._note(self.seller.happen(round(faults.visible_after * 1000)).id)

    def _note(self, invoice_id: int) -> dict[str, Any]:
        invoice = self.seller.invoices[invoice_id]
        latest = invoice.latest
        event = {"number": invoice.number, "status": latest.status, "updated_ms": latest.updated_ms}
        self.events.append(event)
        return event

    def _live(self, faults: Faults) -> None:
        """Make what happened since the last request: nothing has to run between two requests."""
        self.web_orders.live(LIFE_MS if faults.web_order_life is None else round(faults.web_order_life * 1000))
        now = self.seller.clock_ms()
        if self.lived_ms is None:
            self.lived_ms = now
        count = int((now - self.lived_ms) * rate(faults) / 1000)
        if count:
            self.lived_ms = now
            self.happen(min(count, 10_000), faults)
        self.happen(faults.changes_per_page, faults)

    def _count(self, name: str) -> None:
        self.requests_ms.append(self.seller.clock_ms())
        self.requests_by_method[name] += 1
        self.most_requests = max(self.most_requests, self.requests_today)

    @staticmethod
    def _token_in(request: Received, method: Method) -> str | None:
        """The token where this method takes it; a token in another place does not count."""
        if method.token == "header":  # noqa: S105 - a place
            return request.headers.get(TOKEN)
        found = _parameters(request).get(TOKEN)
        return None if found is None else str(found)


def rate(faults: Faults) -> float:
    """Things that happen a second."""
    return CHANGES if faults.changes is None else faults.changes


def _parameters(request: Received) -> dict[str, Any]:
    """Of the query string, or of the JSON body."""
    if not request.body:
        return dict(parse_qsl(request.query))
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
