"""A vendor whose rows come, change and go while its pages are read, and a subscriber that checks each event."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from workers.app.poll.set_pass import SetPass
from workers.app.poll.stats import PollStats
from workers.core.poll.change import digest
from workers.core.poll.cursor import Cursor
from workers.core.poll.item_change import ItemChange, item_event, item_identity
from workers.core.poll.sets.book import SetBook
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_item import INVOICE, VendorItem
from workers.core.poll.vendor_set import Ask, Created, Details, SetKind, SetReading, SetRow, Updated, VendorSet, Whole
from workers.edges.telemetry.tracing import PassOn

START_MS = 1_790_000_000_000
MINUTE_MS = 60_000
REQUEST_MS = 3_100
PAGE = 3


@dataclass
class ModelRow:
    created_ms: int
    status: str = "Open"
    note: str = ""  # which only the details show
    modified_ms: int | None = None

    @property
    def is_open(self) -> bool:
        return self.status != "Closed"


@dataclass
class ModelVendor:
    """Answers as `SetAsks` does; ``between`` happens before each page."""

    shows_created: bool
    rows_of: dict[str, ModelRow] = field(default_factory=dict)
    between: list[Callable[[], None]] = field(default_factory=list)
    faults: set[int] = field(default_factory=set)  # numbers of requests that fail
    requests: int = 0
    clock: "Rig | None" = None  # which each request moves on
    details_fail: bool = False
    broken: set[str] = field(default_factory=set)  # rows whose details fail, by the beginning of their key
    outage: bool = False  # all details fail
    throttled: bool = False
    detailed: list[list[str]] = field(default_factory=list)  # the keys of each request for details
    asked: list[Updated] = field(default_factory=list)  # of a set of updates
    added: int = 0  # rows, whose keys are never used again

    def begin(self) -> None:
        """A new pass."""

    async def rows(self, ask: Ask, clock: Any) -> SetReading | None:
        del clock
        match ask:
            case Created(within):
                return self._created(within)
            case Whole():
                return self._whole()
            case Updated():
                self.asked.append(ask)
                return SetReading(tuple(map(self._row, self.rows_of)), ask.days)

    async def details(self, rows: Sequence[SetRow], clock: Any, *, is_suspect: bool = False) -> Details | None:
        del clock, is_suspect
        self.detailed.append([row.key for row in rows])
        if self.throttled:
            return None
        if self._fails() or self.outage:
            return Details(())
        shown = [row.key for row in rows if row.key in self.rows_of and row.key.partition("-")[0] not in self.broken]
        return Details(tuple(self._row(key, detailed=True) for key in shown))

    def _created(self, asked: TimeRange) -> SetReading | None:
        """One page holds the answer, or the range is halved; the rows of one second are walked until walks agree."""
        while True:
            if self._fails():
                return None
            found = [key for key, row in self.rows_of.items() if asked.start_ms <= row.created_ms <= asked.end_ms]
            smaller = asked.half()
            if len(found) <= PAGE or smaller is None:
                return SetReading(tuple(map(self._row, found)), asked)
            asked = smaller

    def _whole(self) -> SetReading | None:
        """Walk the pages; a row that goes meanwhile shifts the others, and hides one unnoticed."""
        found: list[SetRow] = []
        place = pages = 0
        while True:
            if self._fails():
                return None
            page = list(self.rows_of)[place : place + PAGE]
            if not page:
                break
            found += map(self._row, page)
            place, pages = place + PAGE, pages + 1
        keys = {row.key for row in found}
        return SetReading(tuple(found), moved=len(keys) < len(found), pages=max(1, pages))

    def _fails(self) -> bool:
        if self.between:
            self.between.pop(0)()
        self.requests += 1
        if self.clock is not None:
            self.clock.now_ms += REQUEST_MS
        return self.requests in self.faults

    def _row(self, key: str, *, detailed: bool = False) -> SetRow:
        row = self.rows_of[key]
        shown = {"status": row.status} | ({"note": row.note} if detailed else {})
        state = "open" if row.is_open else "closed"
        content: dict[str, Any] = {"invoice_number": key, "status": row.status, "state": state, "type": ""}
        content |= {"lines": [{"description": row.note}]} if detailed else {}
        unread = frozenset() if detailed else frozenset({"note"})
        item = VendorItem(INVOICE, content, digest(shown), shown, unread=unread, modified_ms=row.modified_ms)
        created_ms = row.created_ms if self.shows_created else None
        return SetRow(key, digest(row.status), item, is_open=row.is_open, created_ms=created_ms)


@dataclass
class Subscriber:
    """What the events say; each must be news, in sequence."""

    vendor: ModelVendor
    last: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, change: ItemChange) -> None:
        key, event = item_identity(change.item), item_event("model", change)
        before = self.last.get(key)
        assert event["sequence"] == (1 if before is None else before["sequence"] + 1), "no gap, and no event twice"
        if before is not None:
            same = before["event_id"].rpartition(":")[2] == event["event_id"].rpartition(":")[2]
            assert not same, "an event says something new"
            assert (event["previous"] or {}).get("status") == before["status"]
        assert (before is None) == (event["previous"] is None)
        if before is not None and before.get("lines") and event["op"] != "deleted":
            assert event.get("lines"), "lines that were shown are not taken back"
        if event["op"] == "deleted":
            assert key not in self.vendor.rows_of, "only what was deleted is told so"
        self.last[key] = event

    @property
    def present(self) -> dict[str, str]:
        """The status of what was not deleted."""
        return {key: event["status"] for key, event in self.last.items() if event["op"] != "deleted"}


class KilledError(Exception):
    """The process ends here."""


@dataclass
class Rig:
    """A poller of one set, that may be killed at any write."""

    vendor: ModelVendor
    kind: SetKind
    details_at_once: int = 0
    now_ms: int = START_MS
    days_beyond: int = 0
    sweep_every_s: float = 3600.0
    written: list[Step] = field(default_factory=list)
    subscriber: Subscriber = field(init=False)
    kills: dict[int, bool] = field(default_factory=dict)  # number of a write -> whether it reaches Kafka
    writes: int = 0
    set_pass: SetPass | None = None
    state: ShardState = field(default_factory=ShardState)
    stats: PollStats = field(default_factory=PollStats)

    def __post_init__(self) -> None:
        self.subscriber = Subscriber(self.vendor)
        self.vendor.clock = self

    def start(self) -> SetPass:
        """A process starts, with what is in Kafka."""
        self.state = ShardState()
        for step in self.written:
            self.state.accept(step)
        names = ("status", "note")
        own = VendorSet(
            "invoices",
            self.kind,
            60,
            "InvoiceChanged",
            names,
            detailed_at_once=self.details_at_once,
            rows_at_once=PAGE,
            days_beyond=self.days_beyond,
        )
        beat = {"sweep_every": self.sweep_every_s, "lookback": 86400.0, "settle_lag": 60.0, "forget_after": 864000.0}
        spec = SimpleNamespace(**beat, look_again=SimpleNamespace(every=3600.0, back=21600.0))
        context: Any = SimpleNamespace(
            spec=spec, stats=self.stats, wall_ms=lambda: self.now_ms, monotonic=lambda: self.now_ms / 1000,
            note=self.stats.notes.update, tracing=PassOn(),
        )  # fmt: skip
        asks: Any = self.vendor
        return SetPass(context, asks, SetBook(own, self.state), self._write, asyncio.Lock())

    @property
    def cursor(self) -> Cursor:
        cursor = self.state.sets["invoices"].cursor
        assert cursor is not None, "a pass has begun"
        return cursor

    async def run(self) -> None:
        """One pass, a minute after the one before; a killed process is followed by another one."""
        self.now_ms += MINUTE_MS
        self.set_pass = self.set_pass or self.start()
        try:
            await self.set_pass.run()
        except KilledError:
            self.set_pass = None

    async def _write(self, step: Step) -> None:
        self.writes += 1
        reaches = self.kills.get(self.writes)
        if reaches is not False:
            self.written.append(step)
            for row in step.rows:
                for change in row.changes:
                    assert isinstance(change, ItemChange)
                    self.subscriber.take(change)
        if reaches is not None:
            raise KilledError
        self.state.accept(step)
