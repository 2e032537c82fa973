"""The books of a simulated seller: invoices (web orders among them), prebooks, stock and a customer's credit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

PENDING, CONFIRMED, DRAFT, VOIDED = 0, 1, 2, 4
NEXT: Final = {DRAFT: PENDING, PENDING: CONFIRMED, CONFIRMED: CONFIRMED, VOIDED: VOIDED}
PRODUCTS: Final = ("Rose Freedom 60 cm", "Rose Mondial 50 cm", "Carnation Red Fancy", "Hydrangea White")
CUSTOMER_ID: Final = "12"
LOCATION_ID: Final = "3"
VOID_SHARE: Final = 0.1
DAY_MS: Final = 86_400_000
RECENT: Final = 300  # invoices that may still change


class Line(NamedTuple):
    """Boxes of a product on an invoice."""

    id: int
    product_id: int
    boxes: int
    cents: int  # of a box

    @property
    def product(self) -> str:
        return PRODUCTS[self.product_id % len(PRODUCTS)]


class Version(NamedTuple):
    """An invoice as it was from one change to the next."""

    updated_ms: int  # whole seconds, as Komet shows them
    visible_ms: int  # from when it is shown: `updatedOn` may be older than its appearance
    status: int
    lines: tuple[Line, ...]

    @property
    def cents(self) -> int:
        return sum(line.boxes * line.cents for line in self.lines)


@dataclass(slots=True)
class Invoice:
    """An order of the customer's, from draft to confirmed or voided. A web order is one, too."""

    id: int
    number: int
    created_ms: int
    ship_day: date
    is_web: bool
    customer_po: str = ""
    versions: list[Version] = field(default_factory=list)

    @property
    def latest(self) -> Version:
        return self.versions[-1]

    def shown(self, now_ms: int) -> Version | None:
        """The version that shows by now."""
        return next((one for one in reversed(self.versions) if one.visible_ms <= now_ms), None)


@dataclass(slots=True)
class Prebook:
    """An order for a truck of a later day."""

    id: int
    number: int
    truck_day: date
    checked_out: bool = False


@dataclass(slots=True)
class Stock:
    """Boxes of a product that the web shop shows."""

    id: int
    origin: int
    product_id: int
    boxes: int
    cents: int


@dataclass
class Seller:
    """Everything that the simulated seller has of the one customer."""

    clock_ms: Callable[[], int]
    rng: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - no secret
    first_number: int = 50_000
    invoices: dict[int, Invoice] = field(default_factory=dict)  # by id
    prebooks: list[Prebook] = field(default_factory=list)
    stock: list[Stock] = field(default_factory=list)
    credit_cents: int = 2_500_000
    ids: int = 0  # of invoices, lines and prebooks so far

    def fill(self, invoices: int) -> None:
        """Make so many invoices, a few prebooks, and some stock."""
        self.stock += [
            Stock(7_000 + n, 1 + n % 3, n, self.rng.randint(1, 90), 4_000 + 100 * n) for n in range(len(PRODUCTS) * 3)
        ]
        self.prebooks += [self._new_prebook(days) for days in (7, 14, 21)]
        for number in range(invoices):
            self.open(is_web=number % 2 == 0, status=self.rng.choice((DRAFT, PENDING, CONFIRMED)))

    def open(
        self,
        *,
        is_web: bool = True,
        status: int = DRAFT,
        lines: Iterable[Line] | None = None,
        ship_in_days: int = 3,
        customer_po: str = "",
        lag_ms: int = 0,
    ) -> Invoice:
        """Begin an invoice; without ``lines`` it gets one by chance."""
        now = self.clock_ms()
        ship_day = day_of(now) + timedelta(days=ship_in_days)
        self.ids += 1
        invoice = Invoice(900_000 + self.ids, self.first_number + self.ids, now, ship_day, is_web, customer_po)
        self.invoices[invoice.id] = invoice
        self.change(invoice, status=status, lines=[self.line()] if lines is None else lines, lag_ms=lag_ms)
        return invoice

    def change(
        self, invoice: Invoice, *, status: int | None = None, lines: Iterable[Line] | None = None, lag_ms: int = 0
    ) -> None:
        """Change an invoice; the change shows up to ``lag_ms`` later, with the time at which it was made."""
        now = self.clock_ms()
        before = invoice.versions[-1] if invoice.versions else Version(0, 0, DRAFT, ())
        kept = before.lines if lines is None else tuple(lines)
        shows = now + round(self.rng.random() * lag_ms)
        invoice.versions.append(Version(now // 1000 * 1000, shows, before.status if status is None else status, kept))

    def line(self, *, product_id: int | None = None, boxes: int | None = None, cents: int | None = None) -> Line:
        """A new line; what is not given comes by chance."""
        self.ids += 1
        return Line(
            self.ids,
            self.rng.randrange(len(PRODUCTS)) if product_id is None else product_id,
            self.rng.randint(1, 20) if boxes is None else boxes,
            self.rng.randint(2_000, 9_000) if cents is None else cents,
        )

    def happen(self, lag_ms: int = 0) -> Invoice:
        """Let one thing happen at random to an invoice, and now and then to stock, credit or a prebook."""
        chance = self.rng.random()
        if self.stock and chance < 0.2:  # noqa: PLR2004 - now and then
            self.rng.choice(self.stock).boxes = self.rng.randint(0, 90)
        if chance < 0.05:  # noqa: PLR2004 - seldom
            self.credit_cents = self.rng.randint(1_000_000, 9_000_000)
            open_ones = [prebook for prebook in self.prebooks if not prebook.checked_out]
            if open_ones:
                open_ones[0].checked_out = True
        return self._invoice_happens(lag_ms)

    def _invoice_happens(self, lag_ms: int) -> Invoice:
        """One in three is new; one in ten is voided; the others move on, or their lines change."""
        recent = list(self.invoices.values())[-RECENT:]
        if not recent or self.rng.random() < 1 / 3:
            return self.open(is_web=self.rng.random() < 0.5, lag_ms=lag_ms)  # noqa: PLR2004 - half of them
        invoice = self.rng.choice(recent)
        before = invoice.latest.status
        if before == VOIDED:
            return invoice
        if self.rng.random() < VOID_SHARE:
            self.change(invoice, status=VOIDED, lag_ms=lag_ms)
        elif before == CONFIRMED:
            self.change(invoice, lines=(*invoice.latest.lines, self.line()), lag_ms=lag_ms)
        else:
            self.change(invoice, status=NEXT[before], lag_ms=lag_ms)
        return invoice

    def shown(self) -> Iterator[tuple[Invoice, Version]]:
        """Every invoice that shows by now, in the version that shows."""
        now = self.clock_ms()
        for invoice in self.invoices.values():
            version = invoice.shown(now)
            if version is not None:
                yield invoice, version

    def by_number(self, number: int) -> Invoice | None:
        return next((one for one in self.invoices.values() if one.number == number), None)

    def _new_prebook(self, in_days: int) -> Prebook:
        self.ids += 1
        return Prebook(800_000 + self.ids, self.first_number + self.ids, day_of(self.clock_ms()) + timedelta(in_days))


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()
