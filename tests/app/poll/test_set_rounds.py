"""Sets that are read at the same time: a part that touches a row, and the row's own set, undo nothing of each other."""

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.model_set import START_MS
from workers.app.poll.set_pass import SetPass
from workers.app.poll.stats import PollStats
from workers.core.poll.change import Stage, StageChange, VendorOrder, digest
from workers.core.poll.sets.book import SetBook
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.vendor_set import Created, Details, SetReading, SetRow, VendorSet
from workers.edges.telemetry.tracing import PassOn

ORDERS = VendorSet("orders", "created", 60, "OrderStageChanged", ("status", "parts"), detailed_at_once=1)
SHIPMENTS = VendorSet("shipments", "created", 60, part_of="orders")


class Shop:
    """Five orders with their shipments; something changes before each answer."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.orders = {f"SO{number}": 0 for number in range(5)}  # the number of the order's changes
        self.parts = dict(self.orders)  # and of its shipments
        self.changing = True

    def change(self) -> None:
        if self.changing:
            which = self._rng.choice([self.orders, self.parts])
            which[self._rng.choice(list(which))] += 1

    def order(self, number: str, parts: int | None) -> SetRow:
        content = {"status": self.orders[number], "parts": parts}
        stage = Stage(str(self.orders[number]), None, "", "processing")
        item = VendorOrder(number, stage, digest(content), content, shipments=({"parts": parts},))
        return SetRow(f"/{number}", digest(self.orders[number]), item, created_ms=START_MS - 1000)

    def part(self, number: str) -> SetRow:
        return SetRow(number, digest(self.parts[number]), about=f"/{number}", created_ms=START_MS - 1000)


class Asks:
    """`SetAsks` of one set of the shop."""

    details_fail = False

    def __init__(self, shop: Shop, name: str) -> None:
        self._shop, self._name = shop, name

    def begin(self) -> None:
        """A new pass."""

    async def rows(self, ask: Created, clock: Any) -> SetReading:
        del clock
        self._shop.change()
        await asyncio.sleep(0)
        make = self._shop.part if self._name == "shipments" else lambda number: self._shop.order(number, None)
        return SetReading(tuple(make(number) for number in self._shop.orders), ask.within)

    async def details(self, rows: list[SetRow], clock: Any, *, is_suspect: bool = False) -> Details:
        del clock, is_suspect
        numbers = [row.key[1:] for row in rows]
        found = Details(tuple(self._shop.order(number, self._shop.parts[number]) for number in numbers))
        self._shop.change()
        await asyncio.sleep(0)
        return found


class Kafka:
    """What was written, and the shard's memory of it; a write takes a while."""

    def __init__(self) -> None:
        self.state = ShardState()
        self.changes: dict[str, list[StageChange]] = {}

    async def write(self, step: Step) -> None:
        await asyncio.sleep(0)
        for change in (one for row in step.rows for one in row.changes):
            assert isinstance(change, StageChange)
            self.changes.setdefault(change.order.order_number, []).append(change)
        self.state.accept(step)


@pytest.mark.parametrize("seed", range(20))
async def test_each_change_of_an_order_and_of_its_parts_is_published_once(seed: int) -> None:
    shop, kafka, clock, writing = Shop(random.Random(seed)), Kafka(), Clock(), asyncio.Lock()
    passes = [set_pass(one, shop, kafka, clock, writing) for one in (ORDERS, SHIPMENTS)]
    for round_number in range(14):
        clock.now_ms += 1000
        shop.changing = round_number < 10
        await asyncio.gather(*(one.run() for one in passes))
    for number, changes in kafka.changes.items():
        assert [one.sequence for one in changes] == list(range(1, len(changes) + 1))
        last = changes[-1].order
        assert last.stage.name == str(shop.orders[number])
        assert len(changes) == 1 or list(last.shipments) == [{"parts": shop.parts[number]}]


class Clock:
    """Milliseconds since 1970."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


def set_pass(one: VendorSet, shop: Shop, kafka: Kafka, clock: Clock, writing: asyncio.Lock) -> SetPass:
    again = SimpleNamespace(every=3600.0, back=21600.0)
    times = {"sweep_every": 1.5, "lookback": 86400.0, "settle_lag": 60.0, "forget_after": 864000.0}
    context: Any = SimpleNamespace(
        spec=SimpleNamespace(look_again=again, **times),
        stats=PollStats(),
        wall_ms=clock,
        monotonic=lambda: 0.0,
        note=lambda notes: notes,
        tracing=PassOn(),
    )
    asks: Any = Asks(shop, one.name)
    return SetPass(context, asks, SetBook(one, kafka.state), kafka.write, writing)
