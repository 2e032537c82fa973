"""A shard's rounds over single orders: so many looks at once, no order holds up others, no news writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workers.app.config.specs import PollerSpec
from workers.app.poll.context import PollerContext
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.stats import PollStats
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Throttled, Unavailable
from workers.core.poll.change import Seen, Stage, digest
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.vendor_event import Look
from workers.core.record import Record
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic
from workers.edges.kafka.client import KafkaFailed
from workers.vendors.contract import PollFault

TOPIC = "ecourier-tracked-orders"
SCHEMA = Path(__file__).parents[3] / f"schemas/{TOPIC}.avsc"
NOW_MS = 1_790_000_000_000
CODEC = Codec({TOPIC: load_topic(TOPIC, SCHEMA)}, lambda: 0.0)


class Vendor:
    """Answers when it is told to; implements what is needed of `OrderPoller` and of `VendorClient`."""

    fields = ("OrderStatus",)

    def __init__(self) -> None:
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.at_once = self.most = 0
        self.answers: dict[str, asyncio.Queue[Look | PollFault]] = {}

    def look(self, number: str) -> Any:
        return number

    async def run(self, flow: Any, clock: Any) -> Look | PollFault:
        del clock
        number: str = flow
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.asked.put_nowait(number)
        try:
            return await self.answers.setdefault(number, asyncio.Queue()).get()
        finally:
            self.at_once -= 1

    async def ask_of(self, count: int) -> set[str]:
        return {await asyncio.wait_for(self.asked.get(), 5) for _ in range(count)}

    def says(self, number: str, answer: Look | PollFault | str) -> None:
        if isinstance(answer, str):
            stage = Stage(answer, None, "", "processing")
            answer = Look(Seen(number, stage, digest([answer]), {"OrderStatus": answer}))
        self.answers.setdefault(number, asyncio.Queue()).put_nowait(answer)


@dataclass
class Rig:
    """Rounds of one shard; what they write is taken, or refused."""

    vendor: Vendor = field(default_factory=Vendor)
    now: list[float] = field(default_factory=lambda: [100.0])
    state: ShardState = field(default_factory=ShardState)
    steps: asyncio.Queue[Step] = field(default_factory=asyncio.Queue)
    refuse: Callable[[Step], bool] = lambda _: False

    def __post_init__(self) -> None:
        spec = PollerSpec.model_validate(
            {
                "name": "poller",
                "vendor": "ecourier",
                "publishes": ["stages"],
                "state": "state",
                "follows": TOPIC,
                "credentials": "X",
                "every": "10s",
                "max_in_flight": 2,
            }
        )
        vendor: Any = self.vendor
        self.tools = PollerContext(
            spec=spec,
            poller=vendor,
            client=vendor,
            credentials=SimpleNamespace(version=1),  # type: ignore[arg-type]
            codec=CODEC,
            connection=None,  # type: ignore[arg-type]
            gate=Gate(GatePolicy()),
            failed=lambda error: pytest.fail(str(error)),
            monotonic=lambda: self.now[0],
            wall_ms=lambda: NOW_MS + round(self.now[0] * 1000),
            jitter=lambda: 0.5,
            slots=asyncio.Semaphore(spec.max_in_flight),
            stats=PollStats(),
        )
        self.rounds = OrderRounds(self.tools)

    async def write(self, step: Step) -> None:
        if self.refuse(step):
            raise KafkaFailed("another process has taken over")
        self.state.accept(step)
        self.steps.put_nowait(step)

    async def written(self) -> Step:
        return await asyncio.wait_for(self.steps.get(), 5)

    async def news(self) -> Step:
        """The next step that is more than its cursor."""
        while (step := await self.written()).is_empty:
            pass
        return step

    def save(self, *numbers: str, rounds: OrderRounds | None = None) -> None:
        rows = [Record(TOPIC, 0, at, NOW_MS, number.encode(), row_of(number)) for at, number in enumerate(numbers)]
        (rounds or self.rounds).took(rows, len(rows), len(rows))

    def later(self, seconds: float) -> None:
        self.now[0] += seconds
        self.rounds.took([], 100, 100)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        running = asyncio.get_running_loop().create_task(self.rounds.run(self.state, self.write))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def turn() -> None:
    """Everything that can go on without us has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


def row_of(number: str) -> bytes:
    data = {"order_number": number, "order_id": number.lower(), "since": NOW_MS, "canceled_at": None}
    return CODEC.encode(TOPIC, data | {"content_hash": "h", "traceparent": "00-trace"})


async def test_an_answer_with_news_is_written_with_the_orders_id_and_trace() -> None:
    rig = Rig()
    rig.save("A")
    async with rig.running():
        assert (await rig.written()).is_empty, "where it begins, before anything is looked at"
        assert await rig.vendor.ask_of(1) == {"A"}
        rig.vendor.says("A", "N")
        step = await rig.written()
    assert [(one.seen.stage.name, one.seen.order_id) for one in step.changes] == [("N", "a")]
    assert step.traces == {"A": "00-trace"}


async def test_so_many_looks_are_under_way_at_once_over_all_shards() -> None:
    rig = Rig()
    other = OrderRounds(rig.tools)
    rig.save("A", "B", "C")
    rig.save("D", "E", "F", rounds=other)

    async def forget(step: Step) -> None:
        del step

    both = asyncio.gather(rig.rounds.run(rig.state, rig.write), other.run(ShardState(), forget))
    seen = set[str]()
    for _ in range(3):
        asked = await rig.vendor.ask_of(2)
        seen |= asked
        for number in asked:
            rig.vendor.says(number, "N")
    both.cancel()
    await asyncio.gather(both, return_exceptions=True)
    assert (seen, rig.vendor.most) == ({"A", "B", "C", "D", "E", "F"}, 2)


async def test_answers_that_come_while_a_step_is_written_go_out_together() -> None:
    rig, writing, go_on = Rig(), asyncio.Event(), asyncio.Event()
    rig.save("A", "B", "C")

    async def slowly(step: Step) -> None:
        if step.changes and not writing.is_set():
            writing.set()
            await go_on.wait()
        await rig.write(step)

    running = asyncio.get_running_loop().create_task(rig.rounds.run(rig.state, slowly))
    await rig.written()
    first = (await rig.vendor.ask_of(2)).pop()
    rig.vendor.says(first, "N")
    await asyncio.wait_for(writing.wait(), 5)
    await rig.vendor.ask_of(1)
    for number in {"A", "B", "C"} - {first}:
        rig.vendor.says(number, "N")
    await turn()
    go_on.set()
    assert [len((await rig.news()).changes) for _ in range(2)] == [1, 2]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_order_that_cannot_be_looked_at_holds_up_no_other_and_nothing_of_it_moves() -> None:
    rig = Rig()
    rig.save("A", "B")
    async with rig.running():
        await rig.written()
        await rig.vendor.ask_of(2)
        rig.vendor.says("A", Unavailable("elements are missing"))
        rig.vendor.says("B", "N")
        for _ in range(3):
            await turn()
            rig.later(10.0)
            for number in await rig.vendor.ask_of(2):
                rig.vendor.says(number, "N" if number == "B" else Unavailable("elements are missing"))
        await turn()
        rig.later(10.0)
        await rig.vendor.ask_of(2)
    assert rig.tools.stats.failures == 4
    assert rig.tools.stats.last_error == "order A: elements are missing"
    assert rig.state.cursor is not None
    assert rig.state.cursor.at_ms == 0, "A has never been looked at: nothing is complete yet"


async def test_a_look_without_news_writes_nothing_and_lets_freshness_move() -> None:
    rig = Rig()
    rig.save("A")
    async with rig.running():
        await rig.written()
        await rig.vendor.ask_of(1)
        rig.vendor.says("A", "N")
        await rig.news()
        rig.later(9.9)
        await turn()
        assert rig.vendor.asked.empty()
        rig.later(0.1)
        await rig.vendor.ask_of(1)
        beat = await rig.written()
        assert beat.is_empty, "the cursor alone, as often as the fastest look"
        rig.vendor.says("A", "N")
        await turn()
        rig.later(5.0)
        rig.later(0.0)
        await turn()
        assert rig.steps.empty()
    assert rig.state.cursor is not None
    assert rig.state.cursor.at_ms >= NOW_MS + 110_000


async def test_a_row_saved_anew_is_looked_at_at_once() -> None:
    rig = Rig()
    rig.save("A")
    async with rig.running():
        await rig.written()
        await rig.vendor.ask_of(1)
        rig.vendor.says("A", "N")
        await rig.written()
        rig.rounds.took([Record(TOPIC, 0, 7, NOW_MS, b"A", row_of("A"))], 8, 8)
        assert await rig.vendor.ask_of(1) == {"A"}


async def test_a_throttled_vendor_is_left_alone_by_every_shard() -> None:
    rig = Rig()
    rig.save("A", "B", "C")
    async with rig.running():
        await rig.vendor.ask_of(2)
        rig.vendor.says("A", Throttled(30.0))
        rig.vendor.says("B", "N")
        await rig.news()
        await turn()
        assert rig.vendor.asked.empty()
    assert rig.tools.gate.until >= 130.0


async def test_a_write_that_is_refused_ends_the_rounds_and_nothing_of_it_is_known() -> None:
    rig = Rig()
    rig.refuse = lambda step: bool(step.changes)
    rig.save("A")
    running = asyncio.get_running_loop().create_task(rig.rounds.run(rig.state, rig.write))
    await rig.vendor.ask_of(1)
    rig.vendor.says("A", "N")
    with pytest.raises(KafkaFailed):
        await asyncio.wait_for(running, 5)
    assert (rig.state.shadows, rig.state.known) == ({}, {})
    rig.refuse = lambda _: False
    async with rig.running():
        await rig.vendor.ask_of(1)
        rig.vendor.says("A", "N")
        assert [one.sequence for one in (await rig.news()).changes] == [1]


async def test_nothing_is_looked_at_before_the_rows_have_been_read() -> None:
    rig = Rig()
    rows = [Record(TOPIC, 0, 0, NOW_MS, b"A", row_of("A"))]
    rig.rounds.took(rows, 1, 2)
    async with rig.running():
        await asyncio.sleep(0)
        assert rig.steps.empty()
        rig.rounds.took([], 2, None)
        assert await rig.vendor.ask_of(1) == {"A"}
