"""A model of DCL with its own clock, of a poller's polls, and of Kafka as a list of transactions."""

from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from multidict import CIMultiDict, CIMultiDictProxy

from workers.core.poll.change import StageChange
from workers.core.poll.cursor import Cursor, PollStart, advanced, first_cursor, unpack_cursor, window
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
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


class Killed(Exception):  # noqa: N818 - not an error
    """The process was killed."""


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
        """Answer a flow to its end; ``before`` runs before each answer, and may kill the process."""
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
        """The last stage of every order, visible or not."""
        return {number: versions[-1].stage for number, versions in self.ledger.orders_by_number.versions.items()}


@dataclass
class Log:
    """Kafka: the committed transactions."""

    steps: list[Step] = field(default_factory=list)

    @property
    def changes(self) -> list[StageChange]:
        return [change for step in self.steps for change in step.changes]

    def state(self) -> ShardState:
        """The state that a new owner reads."""
        state = ShardState()
        for step in self.steps:
            state.accept(step)
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
    vendor: SimulatedVendor, poller: DclPoller, window: TimeRange, sure_until_ms: int, before: Callable[[], None]
) -> Iterator[tuple[TimeRange, Reading]]:
    """The relay's own way."""
    width = AdaptiveWidth()
    while not window.is_empty:
        reading = vendor.run(poller.window(0, width.next_range(window), sure_until_ms), before)
        assert isinstance(reading, Reading), reading
        assert reading.time_range is not None
        width.one_page_held(reading.time_range)
        yield reading.time_range, reading
        window = window.after(reading.time_range)


def relay(settle_ms: int) -> Strategy:
    return Strategy(
        settle_ms,
        one_page_windows,
        lambda cursor, done, start, _: advanced(cursor, done, start, settle_ms, start.our_ms),
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
    """One poll of a new owner: it reads its state, then its windows, and writes step by step."""
    state = log.state()
    start = PollStart(vendor.clock(), vendor.clock())
    cursor = state.cursor or first_cursor(start.our_ms, lookback_ms)
    time_range = window(cursor, start.our_ms, 0, strategy.settle_ms)
    for done, reading in strategy.asking(vendor, poller, time_range, start.our_ms - strategy.settle_ms, before):
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
    published = {change.order.order_number: change.order.stage.code for change in log.changes}
    return {number for number, stage in vendor.stages().items() if published.get(number) != stage}


def respond(flow: Generator[httpx.Request, httpx.Response, T], *responses: httpx.Response) -> T:
    """Give a flow these answers; returns its value."""
    request = next(flow)
    assert request.method == "GET"
    for response in responses:
        try:
            flow.send(response)
        except StopIteration as stop:
            value: T = stop.value
            return value
    raise AssertionError("the flow sends another request")
