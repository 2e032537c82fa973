"""A simulated e-Courier, the sink beside it, the topics between them, and pollers that are killed at any instant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx

from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.change import Change, event_id
from workers.core.poll.compacted_rows import REPEATS, SETTLES, CompactedRows, Row, take
from workers.core.poll.cursor import Cursor
from workers.core.poll.due_queue import DueQueue
from workers.core.poll.order_book import OrderBook
from workers.core.poll.order_look import Looked
from workers.core.poll.schedule import LookSchedule, ScheduleRule
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.vendor_event import Look, ObservedEvent, VendorEvent, happening_id
from workers.core.record import Record
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.poller import EcourierPoller
from workers.vendors.ecourier.times import written

NUMBERS = ("OR-a", "OR-b", "OR-c")
EVERY_MS, GRACE_MS, FORGET_MS = 10_000, 60_000, 10**9
PACE = LookSchedule(EVERY_MS, (ScheduleRule(20_000, 20_000), ScheduleRule(20_000, 30_000, "A")), GRACE_MS, 400_000)
ACCOUNT = {
    "BASE_URL": "https://post.example.e-courier.com/example/software/xml/ecJsonPost.asmx",
    "PASSWORD": "",
    "USER_GUID": "",
    "TIME_ZONE": "UTC",
}
POLLER = EcourierPoller(EcourierPollerOptions(), ACCOUNT)


class Killed(Exception):  # noqa: N818 - it is no error
    """The process is no more."""


class FencedError(Exception):
    """Another process has taken over."""


@dataclass(frozen=True)
class Strategy:
    """How to go about it; each of the defaults is the relay's."""

    pick: Callable[[Sequence[ObservedEvent], Sequence[VendorEvent]], Sequence[VendorEvent]] | None = None
    settles: bool = True  # tombstones say which row they settle
    keeps_known: bool = True  # what is published stays known when an order is done


@dataclass
class Order:
    """One order at the vendor."""

    status: str = "N"
    events: list[dict[str, str]] = field(default_factory=list)
    made_ms: list[int] = field(default_factory=list)  # of each event
    watched: list[bool] = field(default_factory=list)  # whether the order was tracked then
    here: bool = True

    def unwatched(self) -> None:
        """What nobody has looked at before it was let go, or could not be seen: a later look finds it, late."""
        self.watched = [False] * len(self.watched)

    def answer(self, number: str, listed: Sequence[dict[str, str]]) -> httpx.Response:
        if not self.here:
            return httpx.Response(500, json={"status": "-4", "statusdescription": "Order Not Found"})
        events: Any = listed[0] if len(listed) == 1 else list(listed)
        order = {"@OrderNumber": number, "@OrderStatus": self.status, "OrderEvents": {"OrderEvent": events}}
        return httpx.Response(200, json={"Order": order if listed else order | {"OrderEvents": ""}})


@dataclass
class World:
    """Everything outside the poller, and what was published."""

    strategy: Strategy = Strategy()
    now_ms: int = 1_790_000_000_000
    orders: dict[str, Order] = field(default_factory=dict)
    follows: list[Record] = field(default_factory=list)
    saved: dict[str, int] = field(default_factory=dict)  # offset of the newest row that the sink wrote
    settled: dict[str, int] = field(default_factory=dict)  # the newest that is settled
    state: ShardState = field(default_factory=ShardState)  # as the state topic has it
    changes: list[Change] = field(default_factory=list)
    happened: list[ObservedEvent] = field(default_factory=list)
    epoch: int = 0
    clean_to: int = 0  # below it nothing waits to be put back: compaction gets there later than a poller
    problems: list[str] = field(default_factory=list)
    _offset: int = 0
    _ids: int = 100

    # The sink and the vendor.

    def save(self, number: str) -> None:
        order = self.orders.setdefault(number, Order())
        if not order.here:
            order.here = True
            order.unwatched()
        self.saved[number] = self._append(number, json.dumps({"save": self._offset}).encode(), ())

    def move(self, number: str, status: str) -> None:
        if number in self.orders:
            self.orders[number].status = status

    def vanish(self, number: str) -> None:
        if number in self.orders:
            self.orders[number].here = not self.orders[number].here
            self.orders[number].unwatched()

    def happen(self, number: str, kind: int) -> None:
        """Events come late, backdated, with ids in any order, without ids, alike."""
        order = self.orders.get(number)
        if order is None:
            return
        self._ids += 1
        at_ms = self.now_ms - (kind % 3) * 3_600_000
        fields = {"EventDateTime": clock(at_ms), "EventType": ("Note", "Pickup", "POD", "Scan")[kind % 4]}
        if kind % 5 == 0:
            fields["EventDateTime"] = "soon"
        if kind % 3 == 2:
            fields["Note"] = "alike"  # without an id: one with any other of the same second
        else:
            fields["OrderEventID"] = str(self._ids if kind % 2 else 10_000 - self._ids)
        place = 0 if kind % 4 == 1 else len(order.events)
        order.events.insert(place, fields)
        order.made_ms.insert(place, self.now_ms)
        order.watched.insert(place, self.is_tracked(number))

    def is_tracked(self, number: str) -> bool:
        return self.saved.get(number, -1) > self.settled.get(number, -1)

    def look(self, number: str) -> Look | None:
        order = self.orders[number]
        return answered(number, order.answer(number, order.events))

    # Kafka.

    def _append(self, key: str, value: bytes | None, headers: Any) -> int:
        self._offset += 1
        self.follows.append(Record("follows", 0, self._offset, self.now_ms, key.encode(), value, headers))
        return self._offset

    def commit(self, step: Step, epoch: int) -> None:
        if epoch != self.epoch:
            raise FencedError
        self.changes += step.changes
        self.happened += step.happened
        for key, (offset, value) in step.put_back.items():
            self._append(key, value, ((REPEATS, str(offset).encode()),))
        for key, offset in step.settled.items():
            self._append(key, None, ((SETTLES, str(offset).encode()),) if self.strategy.settles else ())
            self.settled[key] = max(offset, self.settled.get(key, -1))
            self.orders[key].unwatched()
        self._offset += 1  # the transaction's marker
        self.state.accept(step)
        self._check_fresh(step.cursor)

    def compact(self, *, tombstones: bool) -> None:
        """What lies below a newer record of its key goes, and with it a tombstone that nothing lies below."""
        dirty = {record.key: record.offset for record in self.follows if record.offset < self.clean_to}
        self.follows = [
            one
            for one in self.follows
            if one.offset >= self.clean_to or (dirty[one.key] == one.offset and not (tombstones and one.value is None))
        ]

    def _check_fresh(self, cursor: Cursor) -> None:
        """`complete up to` is true: what happened before, to an order that is tracked, has been published."""
        told = {(one.order_number, one.happening.id) for one in self.happened}
        for number, order in self.orders.items():
            if not (order.here and self.is_tracked(number)):
                continue
            for fields, made_ms, watched in zip(order.events, order.made_ms, order.watched, strict=True):
                if watched and made_ms < cursor.at_ms and (number, identity(fields)) not in told:
                    self.problems.append(f"{number}: {fields} is not told of, and it is said to be")

    # What must hold in the end.

    def check(self) -> list[str]:
        found = list(self.problems)
        for number, order in self.orders.items():
            told = [one.happening.id for one in self.happened if one.order_number == number]
            wanted = {identity(fields) for fields in order.events}
            found += [f"{number}: told twice" for one in set(told) if told.count(one) > 1]
            found += [f"{number}: {one} is missed" for one in wanted - set(told)]
            found += [f"{number}: {one} was never there" for one in set(told) - wanted]
            found += self._check_stages(number, order)
        ids = [event_id("ecourier", one) for one in self.changes]
        ids += [happening_id("ecourier", one) for one in self.happened]
        return found + ["an event id comes twice"] * (len(set(ids)) != len(ids)) + self.check_rows()

    def _check_stages(self, number: str, order: Order) -> Iterator[str]:
        changes = [one for one in self.changes if one.seen.order_number == number]
        if [one.sequence for one in changes] != list(range(1, len(changes) + 1)):
            yield f"{number}: a gap in the sequence"
        if any(one.seen.digest == later.seen.digest for one, later in pairwise(changes)):
            yield f"{number}: told without a change"
        told = changes[-1] if changes else None
        if (
            told is None
            or (told.op == "deleted") == order.here
            or (order.here and told.seen.stage.name != order.status)
        ):
            yield f"{number}: the last stage that is told is not the vendor's"

    def check_rows(self) -> list[str]:
        """The newest row of each order that is not settled stands, and lies on top; no other does."""
        found = []
        top = {(record.key or b"").decode(): record for record in self.follows}
        for number, offset in self.saved.items():
            record = top.get(number)
            newest = {"save": offset - 1}
            if self.is_tracked(number):
                if record is None or record.value is None or json.loads(record.value) != newest:
                    found.append(f"{number}: its newest row is lost")
            elif record is not None and record.value is not None:
                found.append(f"{number}: done, and it is still there")
        return found


@dataclass
class Poller:
    """One process: what it has in memory is gone when it is killed."""

    world: World
    epoch: int = 0
    position: int = 0
    read_ms: int = 0
    book: OrderBook = field(
        default_factory=lambda: OrderBook(ShardState(), CompactedRows(), PACE, FORGET_MS, POLLER.fields)
    )

    def open(self) -> None:
        self.world.epoch += 1
        self.epoch = self.world.epoch
        kept = self.world.state
        state = ShardState(dict(kept.shadows), kept.cursor, dict(kept.known))
        rows = self.book.rows
        self.book = OrderBook(state, rows, PACE, FORGET_MS, POLLER.fields, agenda=DueQueue())
        self.read(1_000)
        self.book.begin(self.world.now_ms, self.world.now_ms)
        if state.cursor is None:
            self.write([])

    def read(self, most: int) -> None:
        for record in [one for one in self.world.follows if one.offset > self.position][:most]:
            self.position = record.offset
            number = take(self.book.rows, record)
            if number is not None:
                self.book.noticed(number, self.world.now_ms)
        if all(one.offset <= self.position for one in self.world.follows):
            self.read_ms = self.world.now_ms

    def round(self, most: int, between: Callable[[], None], *, dies: int = 0) -> int:
        """Look at some orders, and write what that says; ``dies`` 1: before it is written, 2: before it is known."""
        looks = [one for one in [self._look(row) for row in self._taken(most)] if one is not None]
        between()
        self.write(looks, dies=dies)
        return len(looks)

    def write(self, looks: Sequence[Looked], *, dies: int = 0) -> None:
        world, state = self.world, self.book.state
        cursor = state.cursor
        first_ms = world.now_ms if cursor is None else cursor.snapshot_until_ms
        fresh_ms = self.book.fresh_ms(self.read_ms, world.now_ms)
        step = self.book.step(looks, Cursor(fresh_ms, first_ms, 0, 0, world.now_ms), world.now_ms)
        if not world.strategy.keeps_known:
            step = replace(step, known=dict(step.known) | dict.fromkeys(step.settled))
        if dies == 1:
            raise Killed
        world.commit(step, self.epoch)
        if dies:
            raise Killed
        state.accept(step)
        self._written(step, looks)
        if not self.book.has_more and self.read_ms == world.now_ms and self.position >= max_offset(world):
            world.clean_to = max(world.clean_to, self.position)

    def _written(self, step: Step, looks: Sequence[Looked]) -> None:
        if self.world.strategy.keeps_known:
            self.book.written(step, looks, self.world.now_ms, self.world.now_ms)
            return
        for number in step.settled:
            self.book.rows.rows.pop(number, None)
            self.book.noticed(number, self.world.now_ms)
        self.book.written(replace(step, settled={}), looks, self.world.now_ms, self.world.now_ms)

    def _taken(self, most: int) -> list[Row[bytes]]:
        taken: list[Row[bytes]] = []
        while len(taken) < most and (row := self.book.take(self.world.now_ms)) is not None:
            taken.append(row)
        return taken

    def _look(self, row: Row[bytes]) -> Looked | None:
        look, now_ms = self.world.look(row.key), self.world.now_ms
        if look is None:
            self.book.failed(row.key, now_ms, 1_000)
            return None
        if self.world.strategy.pick is not None:
            told = [one for one in self.world.happened if one.order_number == row.key]
            look = replace(look, happenings=self.world.strategy.pick(told, look.happenings))
        tracked = Tracked(row.key, row.key, row.saved_ms, "", None, None)
        return Looked(row.key, row.offset, row.saved_ms, now_ms, look, tracked)


def max_offset(world: World) -> int:
    return max((one.offset for one in world.follows), default=0)


def identity(fields: dict[str, str]) -> str:
    """An event's id as it must be: e-Courier's, or one that all equal events without one share."""
    look = answered("x", Order().answer("x", [fields]))
    assert look is not None
    return fields.get("OrderEventID", look.happenings[0].id)


def answered(number: str, answer: httpx.Response) -> Look | None:
    """What the relay's own poller makes of an answer."""
    flow = POLLER.look(number)
    next(flow)
    try:
        flow.send(answer)
    except StopIteration as stop:
        found: Look | None = stop.value if isinstance(stop.value, Look) else None
        return found
    raise AssertionError("it asks once")


def clock(ms: int) -> str:
    return written(datetime.fromtimestamp(ms / 1000, UTC))
