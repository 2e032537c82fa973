"""Runs Komet's flows against the simulated Komet's books, without HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
from multidict import CIMultiDict, CIMultiDictProxy

from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_set import Details, SetReading, SetRow, Updated, Whole
from workers.devkit.simulators.faults import QUIET, Faults
from workers.devkit.simulators.komet.ledger import KometLedger
from workers.devkit.simulators.komet.seller import DAY_MS, Seller
from workers.devkit.simulators.server import Received
from workers.vendors.contract import Flow, MaybeSent
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.poll.poller import KometPoller

T = TypeVar("T")

NOON_MS = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp() * 1000)
DAYS = TimeRange(NOON_MS - 30 * DAY_MS, NOON_MS + 30 * DAY_MS)
EVERYTHING = Updated(0, DAYS)
STILL = QUIET.changed({"changes": 0})
ACCOUNT = {
    "BASE_URL": "https://komet.example/api",
    "TOKEN": "sample-token",
    "ACCOUNT": "7",
    "CUSTOMER_ID": "12",
    "LOCATION_IDS": "",
}


@dataclass
class AskedKomet:
    """A poller in front of a seller whose clock stands at noon unless the test moves it."""

    options: KometPollerOptions = field(default_factory=KometPollerOptions)
    account: dict[str, str] = field(default_factory=lambda: dict(ACCOUNT))
    faults: Faults = STILL
    now_ms: int = NOON_MS
    requests: list[httpx.Request] = field(default_factory=list)
    change: Callable[[dict[str, Any]], None] | None = None  # of each body before it is read

    def __post_init__(self) -> None:
        self.ledger = KometLedger(ACCOUNT["TOKEN"], Seller(lambda: self.now_ms))
        self.seller = self.ledger.seller

    @property
    def poller(self) -> KometPoller:
        return KometPoller(self.options, self.account)

    @property
    def methods(self) -> list[str]:
        return [request.url.path.removeprefix("/api/") for request in self.requests]

    def read(self, name: str, ask: Updated | Whole = EVERYTHING) -> Any:
        return self.run(self.poller.read(name, ask))

    def rows(self, name: str, ask: Updated | Whole = EVERYTHING) -> tuple[SetRow, ...]:
        reading = self.read(name, ask)
        assert isinstance(reading, SetReading)
        return reading.rows

    def detailed(self, rows: tuple[SetRow, ...]) -> tuple[SetRow, ...]:
        details = self.run(self.poller.details("invoices", rows))
        assert isinstance(details, Details)
        return details.rows

    def run(self, flow: Flow[T], answer: Callable[[httpx.Request], httpx.Response | MaybeSent] | None = None) -> T:
        """Run a flow to its value; ``answer`` instead of the seller's own."""
        try:
            request = next(flow)
            while True:
                self.requests.append(request)
                given = (answer or self.answer)(request)
                request = flow.throw(given) if isinstance(given, MaybeSent) else flow.send(given)
        except StopIteration as stop:
            value: T = stop.value
            return value

    def answer(self, request: httpx.Request) -> httpx.Response:
        headers = CIMultiDictProxy(CIMultiDict(request.headers.multi_items()))
        query = request.url.query.decode()
        answer = self.ledger.answer(
            Received(request.method, request.url.path, headers, request.content, query), self.faults
        )
        response = httpx.Response(answer.status, content=answer.body, headers={"content-type": answer.content_type})
        if self.change is None:
            return response
        body = response.json()
        self.change(body)
        return httpx.Response(answer.status, json=body)
