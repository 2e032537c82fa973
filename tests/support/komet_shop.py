"""The simulated Komet without HTTP, and a relay without Kafka: deliveries against it, as far as a test lets them go."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import httpx
from multidict import CIMultiDict, CIMultiDictProxy

from tests.support.any_event import ENVELOPE, created_of, money, status_of
from workers.core.delivery.outcome import Outcome
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.core.events import Created, Event, Status
from workers.devkit.simulators.faults import QUIET, Faults
from workers.devkit.simulators.komet.ledger import KometLedger
from workers.devkit.simulators.komet.seller import Seller
from workers.devkit.simulators.komet.web_orders import CHECKED_OUT, OPEN, WebOrder
from workers.devkit.simulators.server import Received
from workers.vendors.contract import Attempt, Call, Checkpoint, Delivery, Flow
from workers.vendors.komet.orders.options import KometOptions
from workers.vendors.komet.orders.sink import KometSink

TOKEN = "t-0123"
NOON_MS = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp() * 1000)
STILL = QUIET.changed({"changes": 0})
ACCOUNT = {
    "BASE_URL": "https://komet.example/api",
    "TOKEN": TOKEN,
    "ACCOUNT": "77",
    "CUSTOMER_ID": "12",
    "LOCATION_IDS": "",
}
Step: TypeAlias = httpx.Request | Mark
"""Where a delivery stands: before a request, or at a checkpoint."""
Became: TypeAlias = Callable[[int, Step], httpx.Response | Exception | None]


def line(product: str = "7001", boxes: int = 2, cents: int = 1250, **attributes: str) -> dict[str, Any]:
    return {
        "product_id": product,
        "name": "Roses",
        "unit_price": money(cents * 100),
        "quantity": boxes,
        **dict.fromkeys(("returned", "url", "image_url", "category")),
        "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
    }


def order(
    order_id: str = "A-1", *lines: dict[str, Any], channel: str = "komet", status: str = "placed", **more: str
) -> Created:
    attributes = {"channel": channel, **more}
    return created_of(
        ENVELOPE,
        {
            "order_id": order_id,
            "placed_at": NOON_MS,
            **dict.fromkeys(("time_zone", "website_id", "returns_value", "delivery")),
            "status": status,
            "currency": "USD",
            "total_value": money(250_000),
            "customer": dict.fromkeys(("email", "phone", "crm_id")),
            "lines": list(lines or (line(), line("7002", 1))),
            "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
        },
    )


def canceled(order_id: str = "A-1", status: str = "canceled") -> Status:
    return status_of(ENVELOPE, {"order_id": order_id, "status": status, "reason": None, "website_id": None})


def sink(**options: Any) -> KometSink:
    return KometSink(KometOptions(**options), ACCOUNT)


@dataclass
class Shop:
    """Komet, answering requests from memory."""

    faults: Faults = STILL
    now_ms: int = NOON_MS
    asked: list[str] = field(default_factory=list)  # methods, in sequence
    ledger: KometLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = KometLedger(TOKEN, Seller(lambda: self.now_ms))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.removeprefix("/api/"))
        headers = CIMultiDictProxy(CIMultiDict(request.headers.items()))
        query = request.url.query.decode()
        received = Received(request.method, request.url.path, headers, request.content, query)
        answer = self.ledger.answer(received, self.faults)
        return httpx.Response(answer.status, headers={"content-type": answer.content_type}, content=answer.body)

    def orders(self, status: int = CHECKED_OUT) -> list[WebOrder]:
        return [one for one in self.ledger.web_orders.by_number.values() if one.status == status]

    @property
    def open(self) -> list[WebOrder]:
        return self.orders(OPEN)

    def items(self, status: int = CHECKED_OUT) -> list[list[tuple[str, int]]]:
        """(product, boxes) of each web order of the status."""
        return [[(one["inventoryId"], one["quantity"]) for one in each.items] for each in self.orders(status)]


@dataclass
class Relay:
    """Delivers events, and keeps the tracked rows that are durable."""

    shop: Shop = field(default_factory=Shop)
    sink: KometSink = field(default_factory=sink)
    rows: dict[str, Tracked] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep(self, order_id: str, mark: Mark) -> None:
        canceled_at = 1 if mark.canceled else None
        self.rows[order_id] = Tracked(
            mark.order_number, order_id, 0, mark.content_hash, canceled_at_ms=canceled_at, stage=mark.stage
        )

    def steps(self, event: Event, number: int = 1) -> Generator[Step, httpx.Response | Exception | None, Outcome]:
        """One attempt, step by step: it is sent the answer of each request, or what became of it; None: from the shop.

        A row is durable when the generator goes on after its mark. Closing the generator is a crash.
        """
        prepared = self.sink.prepare(event, self.rows.get(event.order_id))
        if not isinstance(prepared, Call):
            return prepared
        delivery: Delivery = yield from self._part(self.sink.deliver([Attempt(prepared, number)]))
        while isinstance(delivery, Checkpoint):
            yield delivery.mark
            self.keep(event.order_id, delivery.mark)
            delivery = yield from self._part(delivery.then)
        [outcome] = delivery
        return outcome

    def _part(self, flow: Flow[Delivery]) -> Generator[Step, httpx.Response | Exception | None, Delivery]:
        try:
            request = next(flow)
            while True:
                became = yield request
                if isinstance(became, Exception):
                    request = flow.throw(became)
                else:
                    request = flow.send(self.shop.answer(request) if became is None else became)
        except StopIteration as stop:
            delivery: Delivery = stop.value
            return delivery

    def settle(self, order_id: str, outcome: Outcome) -> None:
        """What the worker does with the outcome's mark and note."""
        mark, note = getattr(outcome, "mark", None), getattr(outcome, "note", None)
        if mark is not None:
            self.keep(order_id, mark)
        if note is not None:
            self.notes.append(note)

    def deliver(self, event: Event, became: Became | None = None) -> Outcome:
        """One whole attempt; ``became`` says of each step (0, 1, ...) what became of its request."""
        steps = self.steps(event)
        try:
            step, count = next(steps), 0
            while True:
                step = steps.send(became(count, step) if became is not None else None)
                count += 1
        except StopIteration as stop:
            outcome: Outcome = stop.value
        self.settle(event.order_id, outcome)
        return outcome
