"""All sets together, as the poller reads them: nothing is missed and nothing repeated, whatever E2CC leaves open."""

import asyncio
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tests.vendors.e2cc.simulated import NOW_MS, Simulated
from workers.app.poll.set_pass import SetPass
from workers.app.poll.stats import PollStats
from workers.core.poll.change import StageChange
from workers.core.poll.item_change import ItemChange, item_identity
from workers.core.poll.sets.book import SetBook
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.vendor_set import Created, Details, SetReading, SetRow, Whole
from workers.devkit.simulators.e2cc.books import Books
from workers.edges.telemetry.tracing import PassOn
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.poller import SETS

MINUTE_MS = 60_000
REQUEST_MS = 3_100
KNOBS: list[dict[str, Any]] = [
    {},
    {"sort": "descending", "row_per_line": True, "padding": True, "entities": True},
    {"page_cap": 4},
    {"ignores_filters": True},
    {"uncreated": True, "sort": "unstable", "deleted": 0.0},
]


class KilledError(Exception):
    """The process ends here."""


@dataclass
class Asks:
    """Answers as `SetAsks` does."""

    e2cc: Simulated
    name: str
    details_fail: bool = False

    def begin(self) -> None: ...

    async def rows(self, ask: Created | Whole, clock: Any) -> SetReading | None:
        del clock
        found = self.e2cc.run(self.e2cc.poller.read(self.name, ask))
        return found if isinstance(found, SetReading) else None

    async def details(self, rows: list[SetRow], clock: Any, *, is_suspect: bool = False) -> Details | None:
        del clock, is_suspect
        found = self.e2cc.run(self.e2cc.poller.details(self.name, rows))
        return found if isinstance(found, Details) else None


@dataclass
class Poller:
    """Reads all sets in turn; each may be killed at any write."""

    e2cc: Simulated
    rng: random.Random
    kills: float = 0.0
    now_ms: int = NOW_MS
    written: list[Step] = field(default_factory=list)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    passes: list[SetPass] = field(default_factory=list)

    def start(self) -> None:
        self.state = ShardState()
        for step in self.written:
            self.state.accept(step)
        beat = {"sweep_every": 3600.0, "lookback": 400 * 86400.0, "settle_lag": 60.0, "forget_after": 864000.0}
        spec = SimpleNamespace(**beat, look_again=SimpleNamespace(every=3600.0, back=21600.0))
        stats = PollStats()
        context: Any = SimpleNamespace(
            spec=spec,
            stats=stats,
            wall_ms=lambda: self.now_ms,
            monotonic=lambda: self.now_ms / 1000,
            note=stats.notes.update,
            tracing=PassOn(),
        )
        asks: list[Any] = [Asks(self.e2cc, one.name) for one in SETS]
        self.passes = [
            SetPass(context, each, SetBook(one, self.state), self.write, asyncio.Lock())
            for one, each in zip(SETS, asks, strict=True)
        ]

    def wait(self) -> None:
        """An answer takes its time."""
        self.now_ms += REQUEST_MS

    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            self.now_ms += MINUTE_MS
            if not self.passes:
                self.start()
            try:
                for each in self.passes:
                    asyncio.run(each.run())
            except KilledError:
                self.passes = []

    async def write(self, step: Step) -> None:
        is_killed = self.rng.random() < self.kills
        if not (is_killed and self.rng.random() < 0.5):
            self.written.append(step)
            for row in step.rows:
                for change in row.changes:
                    self.take(change)
        if is_killed:
            raise KilledError
        self.state.accept(step)

    def take(self, change: StageChange | ItemChange) -> None:
        """An event says something new, in sequence."""
        shown: dict[str, Any]
        if isinstance(change, StageChange):
            key, shown = change.order.order_number, {"item": change.order}
        else:
            key = f"{change.item.kind.record}:{item_identity(change.item)}"
            shown = {"item": change.item}
        before = self.last.get(key, {"sequence": 0, "digest": b""})
        shown["digest"] = shown["item"].digest
        assert change.sequence == before["sequence"] + 1, key
        assert shown["digest"] != before["digest"], key
        self.last[key] = shown | {"sequence": change.sequence, "op": change.op}


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_every_change_is_published_once(knobs: dict[str, Any]) -> None:
    """Rows come, move and go after each answer, and the process is killed at any write."""
    rng = random.Random(str(knobs))
    e2cc = Simulated(Books(lambda: poller.now_ms, random.Random(5)), options=E2ccOptions(page_size=9))
    poller = Poller(e2cc, rng, kills=0.05)
    e2cc.between = poller.wait
    e2cc.books.fill(12, 20)
    e2cc.turn(**{"changes_per_page": 1, "deleted": 0.05} | knobs)
    poller.run(4)
    e2cc.turn(changes_per_page=0)
    poller.kills = 0.0
    poller.run(3)
    for _ in range(2):  # what is closed and gone is missing from two full readings
        poller.now_ms += 120 * MINUTE_MS
        poller.run(2)
    shown = {key: one for key, one in poller.last.items() if one["op"] != "deleted"}
    orders = {key: one["item"] for key, one in shown.items() if ":" not in key}
    assert {key: order.stage.name for key, order in orders.items()} == {
        name: order["status"] for name, order in e2cc.ledger.orders().items()
    }
    for name, order in orders.items():
        if shown[name]["op"] != "snapshot":
            found = {one["shipment_id"]: one["packages"][0]["delivery_status"] for one in order.shipments}
            assert found == {one.number: one.status for one in e2cc.books.by_name[name].shipments}
    for record, count in (
        ("InvoiceChanged", len(e2cc.books.invoices.records)),
        ("InventoryChanged", len(e2cc.books.items)),
        ("ReturnChanged", len(e2cc.books.returns)),
        ("CreditChanged", 1),
    ):
        assert sum(key.startswith(record) for key in shown) == count
    for item in e2cc.books.items:
        told = shown[f"InventoryChanged:{item.number}:{item.warehouse}"]["item"].content["available"]
        assert int.from_bytes(told, "big", signed=True) == item.quantity * 10**6
