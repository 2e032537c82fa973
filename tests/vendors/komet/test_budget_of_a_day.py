"""A simulated day of Komet's poller, sink and commands, with one budget of requests between them."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest

from tests.support.komet_shop import ACCOUNT, NOON_MS, Relay, Shop, order
from tests.support.virtual_time import VirtualTimeLoop
from workers.app.config.specs import PollerSpec
from workers.app.events.budget_account import BudgetAccount
from workers.app.poll.context import PollerContext, SetPolling
from workers.app.poll.set_rounds import SetRounds
from workers.core.budget import Budget, BudgetPolicy, Spent, Use
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Delivered
from workers.core.poll.change import StageChange
from workers.core.poll.item_change import ItemChange, item_identity
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.devkit.simulators.faults import QUIET
from workers.devkit.simulators.komet.seller import Invoice
from workers.edges.http.session import UNOBSERVED, Observer
from workers.edges.http.variable_names import VariableNames
from workers.vendors.commands import Given, Shown
from workers.vendors.contract import Flow, LoginFailed
from workers.vendors.komet.commands import customer
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.poll.poller import KometPoller
from workers.vendors.komet.poll.sets import SETS

T = TypeVar("T")

HOUR_S = 3_600.0
DAY_MS = 86_400_000
POLICY = BudgetPolicy(1_000, DAY_MS, 300)
BUSY = QUIET.changed({"changes": 0.003, "quota": 1_000, "sort": "unstable", "numbers_as_text": True})


@dataclass
class Topic:
    """The rows of the budget in Kafka, which each process reads into a budget of its own."""

    rows: dict[str, Spent] = field(default_factory=dict)

    def account(self, spender: str, use: Use, wall_ms: Any) -> BudgetAccount:
        budget = Budget(POLICY)
        return BudgetAccount(budget, _Rows(self, budget), spender, wall_ms, use)  # type: ignore[arg-type]


@dataclass
class _Rows:
    topic: Topic
    budget: Budget

    async def refresh(self) -> None:
        self.budget.spenders.update(self.topic.rows)

    async def write(self, spender: str, spent: Spent | None) -> None:
        if spent is None:
            del self.topic.rows[spender]
        else:
            self.topic.rows[spender] = spent

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class TimedShop(Shop):
    """Notes when each request was answered; refuses those that are more than a day's."""

    answered_ms: list[int] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        response = super().answer(request)
        assert "limit" not in response.text, "more requests than a day has"
        self.answered_ms.append(self.ledger.seller.clock_ms())
        return response


@dataclass
class Client:
    """Runs the poller's flows against the shop, each request paid for."""

    shop: Shop
    budget: BudgetAccount

    async def run(self, flow: Flow[T], observer: Observer) -> T:
        try:
            request = next(flow)
            while True:
                request = flow.send(await observer.attempt(request, self._send))
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def _send(self, request: httpx.Request) -> httpx.Response:
        await self.budget.spend()
        return self.shop.answer(request)


def _end(error: Exception) -> None:
    raise error


@dataclass
class Day:
    """The poller, the sink and Komet on one virtual clock."""

    shop: TimedShop
    topic: Topic = field(default_factory=Topic)
    relay: Relay = field(init=False)
    delivered: int = 0
    refused: int = 0  # writes that had to wait for the budget
    shown: int = 0  # commands with an answer
    not_shown: int = 0  # commands that were refused because the budget is spent
    sequences: Counter[str] = field(default_factory=Counter)
    far: list[Invoice] = field(default_factory=list)  # web orders of ship days beyond those of each beat
    stages: dict[str, int | None] = field(default_factory=dict)  # of web orders and prebooks, as published last
    items: dict[str, dict[str, Any]] = field(default_factory=dict)  # the same of the others, by record and identity

    def __post_init__(self) -> None:
        self.relay = Relay(self.shop)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.shop.ledger.seller.clock_ms = self.wall_ms

    def wall_ms(self) -> int:
        return NOON_MS + round((self._loop.time() - self._began) * 1000)

    async def poll(self) -> None:
        beats = {one.name: {"every": f"{one.every_s:g}s"} for one in SETS}
        spec = PollerSpec.model_validate(
            {
                "name": "komet-poller", "vendor": "komet", "publishes": ("x",), "state": "s", "credentials": "KOMET",
                "sets": beats, "lookback": "400d",
            }
        )  # fmt: skip
        client: Any = Client(self.shop, self.topic.account("komet-poller/1", Use.READ, self.wall_ms))
        nothing: Any = SimpleNamespace(version=1, secrets=[], names=VariableNames())
        context = PollerContext(
            spec, SetPolling(KometPoller(KometPollerOptions(), ACCOUNT), SETS), client, nothing, nothing, nothing,
            Gate(GatePolicy()), failed=_end, monotonic=self._loop.time, wall_ms=self.wall_ms, jitter=lambda: 0.5,
        )  # fmt: skip
        state = ShardState()

        async def write(step: Step) -> None:
            self._publish(step)
            state.accept(step)

        assert isinstance(context.polling, SetPolling)
        await SetRounds(context, context.polling).run(state, write)

    def _publish(self, step: Step) -> None:
        """Each event has the next number of its order or item."""
        for change in (change for row in step.rows for change in row.changes):
            if isinstance(change, StageChange):
                key = f"order {change.order.order_number}"
                self.stages[change.order.order_number] = change.order.stage.code
            else:
                assert isinstance(change, ItemChange)
                key = f"{change.item.kind.record} {item_identity(change.item)}"
                self.items.setdefault(change.item.kind.record, {})[item_identity(change.item)] = change.item.content
            self.sequences[key] += 1
            assert change.sequence == self.sequences[key], "no gap, and no event twice"

    async def command(self, number: int) -> None:
        """An operator's `relay vendor komet customer`: each is a process of its own."""
        account = self.topic.account(f"komet-sink/cli-{number}", Use.READ, self.wall_ms)
        client = Client(self.shop, account)
        try:
            self.shown += isinstance(await client.run(customer(None, ACCOUNT, Given()), UNOBSERVED), Shown)
        except LoginFailed:
            self.not_shown += 1
        finally:
            await account.close()

    async def command_each_hour(self) -> None:
        for number in range(24):
            await self.command(number)
            await asyncio.sleep(HOUR_S)

    async def place(self, orders: int) -> None:
        """Place orders, one after the other, over a day."""
        account = self.topic.account("komet-sink/1", Use.WRITE, self.wall_ms)
        seller = self.shop.ledger.seller
        for number in range(orders):
            if number == orders // 2:
                self.far = [seller.open(is_web=True, ship_in_days=days) for days in (90, -200)]
            await asyncio.sleep(24 * HOUR_S / orders)
            while not await self._attempt(f"A-{number}", account):
                self.refused += 1
                await asyncio.sleep(300)

    async def _attempt(self, order_id: str, account: BudgetAccount) -> bool:
        steps = self.relay.steps(order(order_id))
        try:
            step = next(steps)
            while True:
                if isinstance(step, httpx.Request):
                    await account.spend()
                step = steps.send(None)
        except StopIteration as stop:
            self.relay.settle(order_id, stop.value)
            self.delivered += isinstance(stop.value, Delivered)
            return isinstance(stop.value, Delivered)
        except LoginFailed:
            steps.close()
            return False

    async def settle(self) -> None:
        """Nothing changes any more, and the polls catch up once requests of the day before come back."""
        self.shop.faults = self.shop.faults.changed({"changes": 0})
        await asyncio.sleep(12 * HOUR_S)

    def assert_all_is_published(self) -> None:
        """The last event of each web order, prebook, invoice, article, and of the credit, is what Komet has."""
        ledger, seller = self.shop.ledger, self.shop.ledger.seller
        assert self.stages == {number: one["stage"] for number, one in ledger.orders().items()}
        found = self.items.pop("InvoiceChanged")
        assert {number: amount(one["amount"]) // 100 for number, one in found.items()} == {
            str(one.number): one.latest.cents for one in seller.invoices.values()
        }
        stock = self.items.pop("InventoryChanged")
        assert {key: amount(one["available"]) // 10**6 for key, one in stock.items()} == {
            f"{one.id}:{one.origin}": one.boxes for one in seller.stock
        }
        [credit] = self.items.pop("CreditChanged").values()
        assert amount(credit["credit_limit"]) // 100 == seller.credit_cents
        assert self.items == {}


def amount(decimal: bytes) -> int:
    return int.from_bytes(decimal, "big", signed=True)


async def _lived(orders: int) -> Day:
    day = Day(TimedShop(BUSY))
    day.shop.ledger.seller.fill(20)
    polls = asyncio.ensure_future(day.poll())
    commands = asyncio.ensure_future(day.command_each_hour())
    await day.place(orders)
    await day.settle()
    await commands
    polls.cancel()
    return day


def lived(orders: int) -> Day:
    """A day with so many orders, and some hours after it."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_lived(orders))


@pytest.mark.parametrize(("orders", "waiting"), [(100, False), (220, True)], ids=["all fits", "too many orders"])
def test_any_24_hours_have_the_tokens_requests_at_most_and_each_change_is_published(orders: int, waiting: bool) -> None:
    day = lived(orders)
    times = day.shop.answered_ms
    assert all(later - first >= DAY_MS for first, later in zip(times, times[POLICY.requests :], strict=False))
    assert day.delivered == len(day.shop.orders()) == orders
    assert (day.refused > 0) == waiting, "writes go first"
    assert day.shown + day.not_shown == 24
    assert (day.not_shown > 0) == waiting
    day.assert_all_is_published()
    assert {str(one.number) for one in day.far} < day.stages.keys()
