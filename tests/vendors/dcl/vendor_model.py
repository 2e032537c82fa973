"""A simulated vendor with a clock of its own, a poller's rounds against it, and Kafka as a list of transactions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from multidict import CIMultiDict, CIMultiDictProxy

from workers.core.poll.change import Change
from workers.core.poll.cursor import Cursor, PollStart, first_cursor, moved, unpack_cursor, window
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange
from workers.devkit.simulators.dcl import PATH, DclLedger
from workers.devkit.simulators.dcl_orders import DclOrders
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.server import Received
from workers.vendors.contract import Flow, Reading
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.poller import DclPoller

T = TypeVar("T")

ACCOUNT = {
    "BASE_URL": "https://api.dclcorp.com/api/v1",
    "USERNAME": "demo",
    "PASSWORD": "demo-key",
    "TIME_ZONE": "America/Los_Angeles",
}
START_MS = 1_790_000_000_000


class Killed(Exception):  # noqa: N818 - what happens, not an error
    """The process has been killed at this point."""


@dataclass
class Clock:
    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class SimulatedVendor:
    """DCL without HTTP; each request takes time, and orders change while it does."""

    faults: Faults
    clock: Clock = field(default_factory=Clock)
    request_ms: int = 200
    requests: int = 0
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = DclLedger("demo-key", DclOrders(self.clock))

    def run(self, flow: Flow[T], before: Callable[[], None] = lambda: None) -> T:
        """Answer a flow to its end; ``before`` each request it may be killed, or the vendor live on."""
        try:
            request = next(flow)
            while True:
                before()
                request = flow.send(self.answer(request))
        except StopIteration as stop:
            value: T = stop.value
            return value

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        self.asked.append(str(request.url))
        self.clock.now_ms += self.request_ms
        headers = CIMultiDictProxy(CIMultiDict({"Authorization": "Basic " + b64encode(b"demo:demo-key").decode()}))
        received = Received(request.method, request.url.path, headers, b"", request.url.query.decode())
        assert request.url.path == PATH
        answer = self.ledger.answer(received, self.faults)
        return httpx.Response(answer.status, content=answer.body, headers={"Content-Type": answer.content_type})

    def stages(self) -> dict[str, int]:
        """The last stage of every order, shown or not."""
        return {number: versions[-1].stage for number, versions in self.ledger.orders_by_number.versions.items()}


@dataclass
class Log:
    """Kafka: what has been committed, in whole transactions."""

    steps: list[Step] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        return [change for step in self.steps for change in step.changes]

    def state(self) -> ShardState:
        """What a new owner reads."""
        state = ShardState()
        for step in self.steps:
            for key, row in step.rows.items():
                state.put(key, row)
            state.cursor = unpack_cursor(step.cursor.pack())
        return state


Asking = Callable[[SimulatedVendor, DclPoller, TimeRange, int, Callable[[], None]], Iterator[tuple[TimeRange, Reading]]]
Moving = Callable[[Cursor, TimeRange, PollStart, Reading], Cursor]


@dataclass
class Strategy:
    """How a window is asked for, and how the cursor moves after it."""

    settle_ms: int
    asking: Asking
    moving: Moving


def one_page_windows(
    vendor: SimulatedVendor, poller: DclPoller, span: TimeRange, sure_until_ms: int, before: Callable[[], None]
) -> Iterator[tuple[TimeRange, Reading]]:
    """The relay's own."""
    stride = AdaptiveWidth()
    while not span.is_empty:
        reading = vendor.run(poller.window(0, stride.ask(span), sure_until_ms), before)
        assert isinstance(reading, Reading), reading
        assert reading.span is not None
        stride.read(reading.span)
        yield reading.span, reading
        span = span.rest(reading.span)


def relay(settle_ms: int) -> Strategy:
    return Strategy(
        settle_ms,
        one_page_windows,
        lambda cursor, done, start, _: moved(cursor, done, start, settle_ms, start.our_ms),
    )


def poll(
    vendor: SimulatedVendor,
    poller: DclPoller,
    log: Log,
    strategy: Strategy,
    *,
    before: Callable[[], None] = lambda: None,
    lookback_ms: int = 3_600_000,
) -> None:
    """One poll of a freshly started owner: it reads its state, its windows, and writes step by step."""
    state = log.state()
    start = PollStart(vendor.clock(), vendor.clock())
    cursor = state.cursor or first_cursor(start.our_ms, lookback_ms)
    span = window(cursor, start.our_ms, 0, strategy.settle_ms)
    for done, reading in strategy.asking(vendor, poller, span, start.our_ms - strategy.settle_ms, before):
        before()
        step = state.step(
            reading.orders, strategy.moving(cursor, done, start, reading), fields=poller.fields, now_ms=vendor.clock()
        )
        log.steps.append(step)
        state.accept(step)
        cursor = step.cursor
        before()


def dcl(page_size: int = 3, **options: Any) -> DclPoller:
    return DclPoller(DclOptions(page_size=page_size, **options), ACCOUNT)


def missed(vendor: SimulatedVendor, log: Log) -> set[str]:
    """Orders whose last published stage is not the vendor's."""
    published = {change.seen.order_number: change.seen.stage.code for change in log.changes}
    return {number for number, stage in vendor.stages().items() if published.get(number) != stage}


def respond(flow: Generator[httpx.Request, httpx.Response, T], *responses: httpx.Response) -> T:
    """Give a flow these answers."""
    request = next(flow)
    assert request.method == "GET"
    for response in responses:
        try:
            flow.send(response)
        except StopIteration as stop:
            value: T = stop.value
            return value
    raise AssertionError("it asks for more")
