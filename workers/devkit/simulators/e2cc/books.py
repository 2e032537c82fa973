"""The books of a simulated E2CC: orders with lines and shipments, invoices, stock, credit, returns. They live alone."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from workers.devkit.simulators.e2cc.conditions import Created

DAY_MS: Final = 86_400_000
SPREAD_MS: Final = 300 * DAY_MS  # how far back the first orders go
PRODUCTS: Final = (
    "Tablet, 128GB (Unlocked)",
    "22-18 1/4 Inch Ring Terminal",
    "Aluminum Asset Tag",
    "Power Bank & Cable",
)
CARRIERS: Final = (("FEDEXGRO", "FedEx Ground (With Return Label)"), ("UPS", "UPS Ground"))
RESOLUTIONS: Final = ("Complete - A Stock", "Complete - B Stock", "Complete - Scrapped")
OPEN_SHARE: Final = 20  # one in so many of the first orders is still open


@dataclass(slots=True)
class Shipment:
    """Goods that leave."""

    number: str
    order: Order
    created_ms: int
    status: str = "Open"  # Open, Confirmed, Completed


@dataclass(slots=True)
class Order:
    """A sales order (SO) or a return (RM)."""

    kind: str
    number: str
    created_ms: int
    status: str = "Open"  # Credit Hold, Open, Completed, Canceled
    customer_order: str = ""
    lines: int = 1
    shipments: list[Shipment] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.kind + self.number

    def line(self, number: int) -> tuple[str, int, str]:
        """The item, quantity and price of a line: the same whenever it is asked for."""
        seed = int(self.number) * 31 + number
        return f"SKU-{seed % 500:04}", seed % 4 + 1, f"{seed % 900 + 20}.{seed % 100:02}0000"


@dataclass(slots=True)
class Invoice:
    number: str
    order: Order
    created_ms: int
    status: str = "Open"  # Open, Closed
    amount: int = 0  # cents
    balance: int = 0


@dataclass(slots=True)
class Item:
    """Stock of one item."""

    number: str
    warehouse: str
    quantity: int


@dataclass(slots=True)
class Return:
    """A record of the other store."""

    number: int
    order: Order
    opened_ms: int
    closed_ms: int | None = None
    resolution: str | None = None


@dataclass(slots=True)
class Credit:
    limit: int = 25_000_000  # cents
    open_orders: int = 1_552_068
    balance: int = 43_301_272


class _Dated(Protocol):
    created_ms: int


R = TypeVar("R", bound=_Dated)


@dataclass(slots=True)
class ByCreation(Generic[R]):
    """Records in the sequence of their creation: a range of them is found at once."""

    records: list[R] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, record: R) -> R:
        at = bisect_right(self.times, record.created_ms)
        self.records.insert(at, record)
        self.times.insert(at, record.created_ms)
        return record

    def remove(self, record: R) -> None:
        at = self.records.index(record, bisect_left(self.times, record.created_ms))
        del self.records[at], self.times[at]

    def between(self, created: Created) -> Sequence[R]:
        return self.records[bisect_left(self.times, created.first_ms) : bisect_right(self.times, created.last_ms)]


@dataclass
class Books:
    """Everything that the simulated customer has at E2CC."""

    clock_ms: Callable[[], int]
    rng: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - no secret
    prefix: str = "PO-"  # of the customer's order numbers
    first_number: int = 57_000
    orders: ByCreation[Order] = field(default_factory=ByCreation)
    shipments: ByCreation[Shipment] = field(default_factory=ByCreation)
    invoices: ByCreation[Invoice] = field(default_factory=ByCreation)
    items: list[Item] = field(default_factory=list)
    credit: Credit = field(default_factory=Credit)
    returns: list[Return] = field(default_factory=list)
    by_name: dict[str, Order] = field(default_factory=dict)
    shipments_by_number: dict[str, Shipment] = field(default_factory=dict)
    invoices_by_number: dict[str, Invoice] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)  # numbers given; that of a vanished record stays given

    def fill(self, orders: int, items: int = 0) -> None:
        """Make so many orders, spread over the past, most of them shipped and invoiced; and so many items."""
        now = self.clock_ms()
        step = SPREAD_MS // max(orders, 1)
        for number in range(orders):
            order = self.new_order(now - SPREAD_MS + number * step)
            if number % OPEN_SHARE != OPEN_SHARE - 1:
                self._completed(order)
        first = len(self.items)
        self.items += [
            Item(f"{30_000 + n}", "SAMPLEWH", self.rng.randint(0, 9_000)) for n in range(first, first + items)
        ]

    def new_order(self, created_ms: int | None = None) -> Order:
        """Take an order; one in ten is held for its credit."""
        at = self.clock_ms() if created_ms is None else created_ms
        count = self._next("orders")
        kind = "RM" if count % 25 == 0 else "SO"
        order = Order(kind, f"{self.first_number + count:06}", at, customer_order=f"{self.prefix}{count:06}")
        order.lines = count % 4 + 1
        order.status = "Credit Hold" if count % 10 == 0 else "Open"
        self.by_name[order.name] = order
        return self.orders.add(order)

    def ship(self, order: Order, created_ms: int | None = None) -> Shipment:
        at = self.clock_ms() if created_ms is None else created_ms
        shipment = Shipment(f"SH{self._next('shipments'):06}", order, at)
        self.shipments_by_number[shipment.number] = shipment
        order.shipments.append(shipment)
        return self.shipments.add(shipment)

    def bill(self, order: Order, created_ms: int | None = None) -> Invoice:
        at = self.clock_ms() if created_ms is None else created_ms
        amount = sum(round(float(order.line(n)[2]) * 100) * order.line(n)[1] for n in range(1, order.lines + 1))
        invoice = Invoice(f"AR-{self._next('invoices'):06}", order, at, amount=amount, balance=amount)
        self.invoices_by_number[invoice.number] = invoice
        return self.invoices.add(invoice)

    def happen(self, gone: float = 0.0) -> dict[str, Any]:
        """Let one thing happen at random; ``gone``: the share by which an order vanishes. Returns what it was."""
        recent = self.orders.records[-300:]
        if recent and self.rng.random() < gone:
            return self.remove(self.rng.choice(recent))
        chance = self.rng.random()
        if not recent or chance < 0.3:  # noqa: PLR2004 - as likely as a simulator needs it
            return _event("orders", self.new_order().name, "created")
        if chance < 0.75 or not self.items:  # noqa: PLR2004
            return self._move(self.rng.choice(recent))
        if chance < 0.85:  # noqa: PLR2004
            item = self.rng.choice(self.items)
            item.quantity = max(0, item.quantity + self.rng.randint(-50, 50))
            return _event("inventories", item.number, "counted")
        return self._elsewhere(recent)

    def remove(self, order: Order) -> dict[str, Any]:
        """Take an order out of the books, as if it had never been there."""
        self.orders.remove(order)
        del self.by_name[order.name]
        for shipment in order.shipments:
            self.shipments.remove(shipment)
            del self.shipments_by_number[shipment.number]
        return _event("orders", order.name, "gone")

    def open_orders(self) -> Iterator[Order]:
        return (order for order in self.orders.records if order.status not in {"Completed", "Canceled"})

    def _next(self, records: str) -> int:
        self.made[records] += 1
        return self.made[records]

    def _elsewhere(self, recent: Sequence[Order]) -> dict[str, Any]:
        unpaid = [invoice for invoice in self.invoices.records[-300:] if invoice.balance]
        if unpaid and self.rng.random() < 0.5:  # noqa: PLR2004
            invoice = self.rng.choice(unpaid)
            invoice.balance, invoice.status = 0, "Closed"
            self.credit.balance = max(0, self.credit.balance - invoice.amount)
            return _event("invoices", invoice.number, "paid")
        still_open = [one for one in self.returns[-50:] if one.closed_ms is None]
        if still_open and self.rng.random() < 0.5:  # noqa: PLR2004
            one = self.rng.choice(still_open)
            one.closed_ms, one.resolution = self.clock_ms(), self.rng.choice(RESOLUTIONS)
            return _event("rmas", str(one.number), "closed")
        self.returns.append(Return(49_001 + len(self.returns), self.rng.choice(recent), self.clock_ms()))
        return _event("rmas", str(self.returns[-1].number), "opened")

    def _move(self, order: Order) -> dict[str, Any]:
        """Move an order to its next state, with its shipment and its invoice."""
        waiting = next((one for one in order.shipments if one.status != "Completed"), None)
        if order.status == "Credit Hold":
            order.status = "Open"
        elif order.status == "Open" and waiting is None:
            self.ship(order)
        elif waiting is not None and waiting.status == "Open":
            waiting.status = "Confirmed"
        elif waiting is not None:
            waiting.status = "Completed"
            if order.lines == 1 or len(order.shipments) > 1:
                order.status = "Completed"
                self.bill(order)
        else:
            return _event("orders", order.name, "rests")
        return _event("orders", order.name, "moved")

    def _completed(self, order: Order) -> None:
        shipment = self.ship(order, order.created_ms + DAY_MS)
        shipment.status = order.status = "Completed"
        invoice = self.bill(order, order.created_ms + 2 * DAY_MS)
        invoice.balance, invoice.status = 0, "Closed"


def _event(records: str, number: str, what: str) -> dict[str, Any]:
    return {"set": records, "id": number, "what": what}
