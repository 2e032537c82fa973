"""Runs flows against the simulated E2CC without HTTP, by a clock of the test's."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from multidict import CIMultiDict, CIMultiDictProxy

from tests.vendors.e2cc.account import ACCESS_KEY, account
from workers.core.poll.time_range import TimeRange, whole_seconds
from workers.core.poll.vendor_set import Created, Details, SetReading, SetRow, Whole
from workers.devkit.simulators.e2cc.access_keys import AccessKey, AccessKeys
from workers.devkit.simulators.e2cc.books import DAY_MS, Books
from workers.devkit.simulators.e2cc.ledger import E2ccLedger
from workers.devkit.simulators.e2cc.queue import RequestQueue
from workers.devkit.simulators.faults import QUIET, Faults
from workers.devkit.simulators.server import Received
from workers.vendors.contract import Flow
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.poller import E2ccPoller

T = TypeVar("T")
NOW_MS = 1_782_000_000_000  # June 2026


def books(orders: int = 30, items: int = 5) -> Books:
    made = Books(lambda: NOW_MS, random.Random(5))
    made.fill(orders, items)
    return made


@dataclass
class Simulated:
    """A poller and the simulator that it asks."""

    books: Books = field(default_factory=books)
    faults: Faults = field(default_factory=lambda: QUIET.changed({"changes": 0}))
    options: E2ccOptions = field(default_factory=E2ccOptions)
    asked: list[httpx.Request] = field(default_factory=list)
    between: Callable[[], None] = lambda: None  # happens before each answer

    def __post_init__(self) -> None:
        self.credentials = account()
        self.ledger = E2ccLedger(
            self.books, AccessKeys(lambda: 0.0, [AccessKey(ACCESS_KEY)]), RequestQueue(lambda: 0.0)
        )

    @property
    def poller(self) -> E2ccPoller:
        return E2ccPoller(self.options, self.credentials)

    def turn(self, **knobs: Any) -> None:
        self.faults = self.faults.changed(knobs)

    def run(self, flow: Flow[T]) -> T:
        self.asked = []
        try:
            request = next(flow)
            while True:
                self.asked.append(request)
                request = flow.send(self.answer(request))
        except StopIteration as stop:
            value: T = stop.value
            return value

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.between()
        headers = CIMultiDictProxy(CIMultiDict(request.headers.items()))
        path, query = request.url.raw_path.decode().partition("?")[::2]
        answer = self.ledger.answer(Received(request.method, path, headers, request.content, query), self.faults)
        return httpx.Response(answer.status, content=answer.body, headers={"content-type": answer.content_type})

    def read(self, name: str, ask: Created | Whole | None = None) -> SetReading:
        found = self.run(self.poller.read(name, ask or Created(ever())))
        assert isinstance(found, SetReading), found
        return found

    def whole(self, name: str, walk: int = 0) -> SetReading:
        return self.read(name, Whole(walk))

    def details(self, name: str, rows: tuple[SetRow, ...]) -> Details:
        found = self.run(self.poller.details(name, rows))
        assert isinstance(found, Details), found
        return found

    def read_all(self, name: str, within: TimeRange | None = None) -> dict[str, SetRow]:
        """All rows of a range, asked for as the engine does: what one answer held, and then the rest."""
        left, found = within or ever(), dict[str, SetRow]()
        while not left.is_empty:
            reading = self.read(name, Created(left))
            assert reading.done
            assert not reading.done.is_empty
            found |= {row.key: row for row in reading.rows}
            left = left.after(reading.done)
        return found


def ever() -> TimeRange:
    return whole_seconds(NOW_MS - 1000 * DAY_MS, NOW_MS + DAY_MS)
