"""A shard's rounds over single orders: bounded looks in flight, no order delays others, no change writes nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.traces import PARENT, TRACE, Recorded, attributes_of, context_of, links_of, trace_of
from workers.app.config.specs import PollerSpec
from workers.app.poll.context import OrderPolling, PollerContext
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.rows import step_records
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Throttled, Unavailable
from workers.core.poll.change import Stage, VendorOrder, digest
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.vendor_event import Look
from workers.core.record import TRACESTATE, Record
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load
from workers.edges.http.variable_names import VariableNames
from workers.edges.kafka.client import KafkaFailed
from workers.vendors.contract import PollFault

TOPIC = "ecourier-tracked-orders"
NOW_MS = 1_790_000_000_000
CODEC = Codec(load(Path(__file__).parents[3] / "schemas"), lambda: 0.0)


class Vendor:
    """Answers when the test says so; implements parts of `OrderPoller` and of `VendorClient`."""

    fields = ("OrderStatus",)

    def __init__(self) -> None:
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.in_flight = self.most_in_flight = 0
        self.answers: dict[str, asyncio.Queue[Look | PollFault]] = {}

    def look(self, number: str) -> Any:
        return number

    async def run(self, flow: Any, clock: Any) -> Look | PollFault:
        del clock
        number: str = flow
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.asked.put_nowait(number)
        try:
            return await self.answers.setdefault(number, asyncio.Queue()).get()
        finally:
            self.in_flight -= 1

    async def next_asked(self, count: int) -> set[str]:
        return {await asyncio.wait_for(self.asked.get(), 5) for _ in range(count)}

    def answer(self, number: str, answer: Look | PollFault | str) -> None:
        if isinstance(answer, str):
            stage = Stage(answer, None, "", "processing")
            answer = Look(VendorOrder(number, stage, digest([answer]), {"OrderStatus": answer}))
        self.answers.setdefault(number, asyncio.Queue()).put_nowait(answer)


@dataclass
class Rig:
    """Rounds of one shard; the test accepts or refuses their writes."""

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
        self.polling = OrderPolling(vendor, TOPIC, asyncio.Semaphore(spec.max_in_flight))
        self.context = PollerContext(
            spec=spec,
            polling=self.polling,
            client=vendor,
            credentials=SimpleNamespace(version=1, secrets=[], names=VariableNames()),  # type: ignore[arg-type]
            codec=CODEC,
            connection=None,  # type: ignore[arg-type]
            gate=Gate(GatePolicy()),
            failed=lambda error: pytest.fail(str(error)),
            monotonic=lambda: self.now[0],
            wall_ms=lambda: NOW_MS + round(self.now[0] * 1000),
            jitter=lambda: 0.5,
        )
        self.rounds = OrderRounds(self.context, self.polling)

    async def write(self, step: Step) -> None:
        if self.refuse(step):
            raise KafkaFailed("another process has taken over")
        self.state.accept(step)
        self.steps.put_nowait(step)

    async def written(self) -> Step:
        return await asyncio.wait_for(self.steps.get(), 5)

    async def next_change(self) -> Step:
        """The next step that writes more than the cursor."""
        while (step := await self.written()).is_empty:
            pass
        return step

    def save(self, *numbers: str, rounds: OrderRounds | None = None) -> None:
        state = ((TRACESTATE, b"shop=x1"),)
        rows = [Record(TOPIC, 0, at, NOW_MS, one.encode(), row_of(one), state) for at, one in enumerate(numbers)]
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


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


def row_of(number: str) -> bytes:
    data = {"order_number": number, "order_id": number.lower(), "since": NOW_MS, "canceled_at": None}
    return CODEC.encode(TOPIC, data | {"content_hash": "h", "traceparent": PARENT})


async def test_a_change_is_written_with_the_order_id_and_the_trace() -> None:
    rig = Rig()
    rig.save("A")
    async with rig.running():
        assert (await rig.written()).is_empty, "the first cursor, before any look"
        assert await rig.vendor.next_asked(1) == {"A"}
        rig.vendor.answer("A", "N")
        step = await rig.written()
    assert [(one.order.stage.name, one.order.order_id) for one in step.changes] == [("N", "a")]
    context = {"traceparent": PARENT, "tracestate": "shop=x1"}
    assert [update.order_context for update in step.updates] == [context]


async def traced_change(recorded: Recorded) -> tuple[Rig, Step]:
    """A change of order ``a`` that a look has found, by a poller that publishes it."""
    rig = Rig()
    published = {"publishes": ("order-stage-changed",), "state": "ecourier-poll-state"}
    rig.context.tracing, rig.context.spec = recorded.worker, rig.context.spec.model_copy(update=published)
    rig.save("A")
    async with rig.running():
        assert await rig.vendor.next_asked(1) == {"A"}
        rig.vendor.answer("A", "N")
        return rig, await rig.next_change()


async def test_a_change_is_sent_on_its_orders_trace_and_linked_to_its_look() -> None:
    recorded = Recorded()
    rig, step = await traced_change(recorded)
    written = step_records(rig.context, 0, step)
    for one in written.sends:
        one.end()
    headers = dict(written.records[0].headers)
    poll, send = recorded.one("poll ecdp"), recorded.one("send order-stage-changed")
    assert (trace_of(send), headers["traceparent"]) == (TRACE, context_of(send).encode())
    assert headers["tracestate"] == b"shop=x1"
    assert links_of(send)[1:] == [poll.context.span_id]
    assert trace_of(poll) != TRACE
    assert (attributes_of(poll)["relay.order.id"], len(poll.links)) == ("a", 1)


async def test_an_event_of_no_look_has_the_order_id_of_its_content_in_its_span() -> None:
    recorded = Recorded()
    rig, step = await traced_change(recorded)
    listed = replace(step, updates=[replace(update, look=None) for update in step.updates])
    for one in step_records(rig.context, 0, listed).sends:
        one.end()
    assert attributes_of(recorded.one("send order-stage-changed"))["relay.order.id"] == "a"


async def test_looks_in_flight_are_bounded_over_all_shards() -> None:
    rig = Rig()
    other = OrderRounds(rig.context, rig.polling)
    rig.save("A", "B", "C")
    rig.save("D", "E", "F", rounds=other)

    async def forget(step: Step) -> None:
        del step

    both = asyncio.gather(rig.rounds.run(rig.state, rig.write), other.run(ShardState(), forget))
    seen = set[str]()
    for _ in range(3):
        asked = await rig.vendor.next_asked(2)
        seen |= asked
        for number in asked:
            rig.vendor.answer(number, "N")
    both.cancel()
    await asyncio.gather(both, return_exceptions=True)
    assert (seen, rig.vendor.most_in_flight) == ({"A", "B", "C", "D", "E", "F"}, 2)


async def test_answers_that_arrive_during_a_write_are_written_together() -> None:
    rig, writing, go_on = Rig(), asyncio.Event(), asyncio.Event()
    rig.save("A", "B", "C")

    async def slowly(step: Step) -> None:
        if step.changes and not writing.is_set():
            writing.set()
            await go_on.wait()
        await rig.write(step)

    running = asyncio.get_running_loop().create_task(rig.rounds.run(rig.state, slowly))
    await rig.written()
    first = (await rig.vendor.next_asked(2)).pop()
    rig.vendor.answer(first, "N")
    await asyncio.wait_for(writing.wait(), 5)
    await rig.vendor.next_asked(1)
    for number in {"A", "B", "C"} - {first}:
        rig.vendor.answer(number, "N")
    await settle()
    go_on.set()
    assert [len((await rig.next_change()).changes) for _ in range(2)] == [1, 2]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_order_whose_looks_fail_delays_no_other_and_holds_the_cursor() -> None:
    rig = Rig()
    rig.save("A", "B")
    async with rig.running():
        await rig.written()
        await rig.vendor.next_asked(2)
        rig.vendor.answer("A", Unavailable("elements are missing"))
        rig.vendor.answer("B", "N")
        for _ in range(3):
            await settle()
            rig.later(10.0)
            for number in await rig.vendor.next_asked(2):
                rig.vendor.answer(number, "N" if number == "B" else Unavailable("elements are missing"))
        await settle()
        rig.later(10.0)
        await rig.vendor.next_asked(2)
    assert rig.context.stats.failures == 4
    assert rig.context.stats.last_error == "order A: elements are missing"
    assert rig.state.cursor is not None
    assert rig.state.cursor.at_ms == 0, "A was never read, so nothing is complete yet"


async def test_a_look_without_a_change_writes_nothing_and_advances_the_cursor() -> None:
    rig = Rig()
    rig.save("A")
    async with rig.running():
        await rig.written()
        await rig.vendor.next_asked(1)
        rig.vendor.answer("A", "N")
        await rig.next_change()
        rig.later(9.9)
        await settle()
        assert rig.vendor.asked.empty()
        rig.later(0.1)
        await rig.vendor.next_asked(1)
        beat = await rig.written()
        assert beat.is_empty, "the cursor alone, once per shortest interval"
        rig.vendor.answer("A", "N")
        await settle()
        rig.later(5.0)
        rig.later(0.0)
        await settle()
        assert rig.steps.empty()
    assert rig.state.cursor is not None
    assert rig.state.cursor.at_ms >= NOW_MS + 110_000


async def test_an_order_saved_again_is_looked_at_at_once() -> None:
    rig = Rig()
    rig.save("A")
    async with rig.running():
        await rig.written()
        await rig.vendor.next_asked(1)
        rig.vendor.answer("A", "N")
        await rig.written()
        rig.rounds.took([Record(TOPIC, 0, 7, NOW_MS, b"A", row_of("A"))], 8, 8)
        assert await rig.vendor.next_asked(1) == {"A"}


async def test_no_shard_asks_a_throttled_vendor() -> None:
    rig = Rig()
    rig.save("A", "B", "C")
    async with rig.running():
        await rig.vendor.next_asked(2)
        rig.vendor.answer("A", Throttled(30.0))
        rig.vendor.answer("B", "N")
        await rig.next_change()
        await settle()
        assert rig.vendor.asked.empty()
    assert rig.context.gate.until >= 130.0


async def test_a_refused_write_ends_the_rounds_and_changes_no_state() -> None:
    rig = Rig()
    rig.refuse = lambda step: bool(step.changes)
    rig.save("A")
    running = asyncio.get_running_loop().create_task(rig.rounds.run(rig.state, rig.write))
    await rig.vendor.next_asked(1)
    rig.vendor.answer("A", "N")
    with pytest.raises(KafkaFailed):
        await asyncio.wait_for(running, 5)
    assert (rig.state.orders, rig.state.event_ids) == ({}, {})
    rig.refuse = lambda _: False
    async with rig.running():
        await rig.vendor.next_asked(1)
        rig.vendor.answer("A", "N")
        assert [one.sequence for one in (await rig.next_change()).changes] == [1]


async def test_no_look_starts_before_the_rows_have_been_read() -> None:
    rig = Rig()
    rows = [Record(TOPIC, 0, 0, NOW_MS, b"A", row_of("A"))]
    rig.rounds.took(rows, 1, 2)
    async with rig.running():
        await asyncio.sleep(0)
        assert rig.steps.empty()
        rig.rounds.took([], 2, None)
        assert await rig.vendor.next_asked(1) == {"A"}
