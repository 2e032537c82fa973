"""A model of e-Courier, the sink, the topics between sink and poller, and pollers that are killed at any instant."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx

from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.change import StageChange, event_id
from workers.core.poll.compacted_rows import REPEATS, SETTLES, CompactedRows, Row, apply_row
from workers.core.poll.cursor import Cursor
from workers.core.poll.order_book import OrderBook
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.schedule import LookSchedule, Now, ScheduleRule
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import AnsweredLook, Step
from workers.core.poll.vendor_event import Look, ObservedEvent, VendorEvent, observed_event_id
from workers.core.record import Record
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.poll.poller import EcourierPoller
from workers.vendors.ecourier.wall_time import format_wall_time

NUMBERS = ("OR-a", "OR-b", "OR-c")
EVERY_MS, GRACE_MS, FORGET_MS = 10_000, 60_000, 10**9
SCHEDULE = LookSchedule(EVERY_MS, (ScheduleRule(20_000, 20_000), ScheduleRule(20_000, 30_000, "A")), GRACE_MS, 400_000)
ACCOUNT = {
    "BASE_URL": "https://post.example.e-courier.com/example/software/xml/ecJsonPost.asmx",
    "PASSWORD": "",
    "USER_GUID": "",
    "TIME_ZONE": "UTC",
}
POLLER = EcourierPoller(EcourierPollerOptions(), ACCOUNT)


class Killed(Exception):  # noqa: N818 - not an error
    """The process was killed."""


class FencedError(Exception):
    """Another process has taken over."""


@dataclass(frozen=True)
class Strategy:
    """How to poll; the defaults are the relay's way."""

    pick: Callable[[Sequence[ObservedEvent], Sequence[VendorEvent]], Sequence[VendorEvent]] | None = None
    settles: bool = True  # tombstones name the row that they settle
    keeps_event_ids: bool = True  # published event ids are kept when an order is done


@dataclass
class Order:
    """One order at the vendor."""

    status: str = "N"
    events: list[dict[str, str]] = field(default_factory=list)
    made_ms: list[int] = field(default_factory=list)  # when each event was made
    watched: list[bool] = field(default_factory=list)  # whether the order was tracked when each event was made
    exists: bool = True

    def unwatched(self) -> None:
        """The relay cannot find these events in time: the order was not tracked, or the vendor did not show it."""
        self.watched = [False] * len(self.watched)

    def answer(self, number: str, listed: Sequence[dict[str, str]]) -> httpx.Response:
        if not self.exists:
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
    settled: dict[str, int] = field(default_factory=dict)  # offset of the newest settled row
    state: ShardState = field(default_factory=ShardState)  # as the state topic has it
    changes: list[StageChange] = field(default_factory=list)
    events: list[ObservedEvent] = field(default_factory=list)
    epoch: int = 0
    clean_to: int = 0  # below this offset no row must be put back: compaction is slower than a poller
    problems: list[str] = field(default_factory=list)
    _offset: int = 0
    _ids: int = 100

    # The sink and the vendor.

    def save(self, number: str) -> None:
        order = self.orders.setdefault(number, Order())
        if not order.exists:
            order.exists = True
            order.unwatched()
        self.saved[number] = self._append(number, json.dumps({"save": self._offset}).encode(), ())

    def move(self, number: str, status: str) -> None:
        if number in self.orders:
            self.orders[number].status = status

    def vanish(self, number: str) -> None:
        if number in self.orders:
            self.orders[number].exists = not self.orders[number].exists
            self.orders[number].unwatched()

    def happen(self, number: str, kind: int) -> None:
        """Add an event: late, backdated, with an id in any sequence, without an id, or equal to another one."""
        order = self.orders.get(number)
        if order is None:
            return
        self._ids += 1
        at_ms = self.now_ms - (kind % 3) * 3_600_000
        fields = {"EventDateTime": clock(at_ms), "EventType": ("Note", "Pickup", "POD", "Scan")[kind % 4]}
        if kind % 5 == 0:
            fields["EventDateTime"] = "soon"
        if kind % 3 == 2:
            fields["Note"] = "alike"  # without an id: the same event as any other of this second
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
        self.events += [
            replace(one, event=replace(one.event, id=one.event.id.partition("#")[0])) for one in step.events
        ]
        for update in step.updates:
            key = update.order_number
            if (row := update.put_back) is not None:
                self._append(key, row.content, ((REPEATS, b"%d" % row.offset),))
            if update.done and update.look:
                offset = update.look.row.offset
                self._append(key, None, ((SETTLES, b"%d" % offset),) if self.strategy.settles else ())
                self.settled[key] = max(offset, self.settled.get(key, -1))
                self.orders[key].unwatched()
        self._offset += 1  # the transaction's marker
        self.accept(self.state, step)
        self._check_fresh(step.cursor)

    def accept(self, state: ShardState, step: Step) -> None:
        state.accept(step)
        for update in step.updates:
            if update.done and not self.strategy.keeps_event_ids:
                state.put_event_ids(update.order_number, None)

    def compact(self, *, tombstones: bool) -> None:
        """Delete records below a newer record of the same key, and tombstones with nothing below."""
        dirty = {record.key: record.offset for record in self.follows if record.offset < self.clean_to}
        self.follows = [
            one
            for one in self.follows
            if one.offset >= self.clean_to or (dirty[one.key] == one.offset and not (tombstones and one.value is None))
        ]

    def _check_fresh(self, cursor: Cursor) -> None:
        """The cursor is true: every earlier event of a tracked order has been published."""
        published = {(one.order_number, one.event.id) for one in self.events}
        for number, order in self.orders.items():
            if not (order.exists and self.is_tracked(number)):
                continue
            for fields, made_ms, watched in zip(order.events, order.made_ms, order.watched, strict=True):
                if watched and made_ms < cursor.at_ms and (number, identity(fields)) not in published:
                    self.problems.append(f"{number}: {fields} is not published, but the cursor says so")

    # What must hold at the end.

    def check(self) -> list[str]:
        found = list(self.problems)
        for number, order in self.orders.items():
            published = [one.event.id for one in self.events if one.order_number == number]
            wanted = {identity(fields) for fields in order.events}
            found += [f"{number}: {one} is published twice" for one in set(published) if published.count(one) > 1]
            found += [f"{number}: {one} is missed" for one in wanted - set(published)]
            found += [f"{number}: {one} never existed" for one in set(published) - wanted]
            found += self._check_stages(number, order)
        ids = [event_id("ecourier", one) for one in self.changes]
        ids += [observed_event_id("ecourier", one) for one in self.events]
        return found + ["an event id comes twice"] * (len(set(ids)) != len(ids)) + self.check_rows()

    def _check_stages(self, number: str, order: Order) -> Iterator[str]:
        changes = [one for one in self.changes if one.order.order_number == number]
        if [one.sequence for one in changes] != list(range(1, len(changes) + 1)):
            yield f"{number}: a gap in the sequence"
        if any(one.order.digest == later.order.digest for one, later in pairwise(changes)):
            yield f"{number}: published without a change"
        last = changes[-1] if changes else None
        if (
            last is None
            or (last.op == "deleted") == order.exists
            or (order.exists and last.order.stage.name != order.status)
        ):
            yield f"{number}: the last published stage is not the vendor's"

    def check_rows(self) -> list[str]:
        """The last record of each tracked order is its newest row; a done order has none."""
        found = []
        top = {(record.key or b"").decode(): record for record in self.follows}
        for number, offset in self.saved.items():
            record = top.get(number)
            newest = {"save": offset - 1}
            if self.is_tracked(number):
                if record is None or record.value is None or json.loads(record.value) != newest:
                    found.append(f"{number}: its newest row is lost")
            elif record is not None and record.value is not None:
                found.append(f"{number}: done, but it still has a row")
        return found


@dataclass
class Poller:
    """One process: when it is killed its memory is lost."""

    world: World
    epoch: int = 0
    position: int = 0

    def __post_init__(self) -> None:
        self.rows = CompactedRows[bytes]()
        self.read_until = ReadUntil(self.world.now_ms, at_ms=0)
        self.book = self._open_book(ShardState())

    @property
    def now(self) -> Now:
        return Now(self.world.now_ms, self.world.now_ms)

    def open(self) -> None:
        self.world.epoch += 1
        self.epoch = self.world.epoch
        kept = self.world.state
        state = ShardState(dict(kept.orders), kept.cursor, dict(kept.event_ids))
        self.read_until.began_ms = self.world.now_ms
        self.book = self._open_book(state)
        self.read(1_000)
        self.book.begin(self.now)
        if state.cursor is None:
            self.write([])

    def _open_book(self, state: ShardState) -> OrderBook:
        return OrderBook(state, self.rows, self.read_until, SCHEDULE, FORGET_MS, POLLER.fields)

    def read(self, most: int) -> None:
        for record in [one for one in self.world.follows if one.offset > self.position][:most]:
            self.position = record.offset
            number = apply_row(self.rows, record)
            if number is not None:
                self.book.row_changed(number, self.now)
        if all(one.offset <= self.position for one in self.world.follows):
            self.read_until.at_ms = self.world.now_ms

    def round(self, most: int, between: Callable[[], None], *, dies: int = 0) -> int:
        """Look at some orders and write the step; ``dies`` 1: before the commit, 2: before it learns of the commit."""
        looks = [one for one in [self._look(row) for row in self._taken(most)] if one is not None]
        between()
        self.write(looks, dies=dies)
        return len(looks)

    def write(self, looks: Sequence[AnsweredLook], *, dies: int = 0) -> None:
        world = self.world
        step = self.book.step(looks, self.now)
        if dies == 1:
            raise Killed
        world.commit(step, self.epoch)
        if dies:
            raise Killed
        world.accept(self.book.state, step)
        self.book.accept(step, self.now)
        is_current = self.read_until.at_ms == world.now_ms and self.position >= max_offset(world)
        if is_current and not self.book.has_rows_to_put_back:
            world.clean_to = max(world.clean_to, self.position)

    def _taken(self, most: int) -> list[Row[bytes]]:
        taken: list[Row[bytes]] = []
        while len(taken) < most and (row := self.book.take(self.now)) is not None:
            taken.append(row)
        return taken

    def _look(self, row: Row[bytes]) -> AnsweredLook | None:
        look, now_ms = self.world.look(row.key), self.world.now_ms
        if look is None:
            self.book.failed(row.key, 1_000, self.now)
            return None
        if self.world.strategy.pick is not None:
            look = replace(look, events=self._picked(row.key, look.events))
        tracked = Tracked(row.key, row.key, row.saved_ms, "", None, None)
        return AnsweredLook(row, now_ms, look, tracked)

    def _picked(self, number: str, events: Sequence[VendorEvent]) -> Sequence[VendorEvent]:
        """The events that a naive strategy takes for new, with unpublished ids; `World.commit` restores the ids."""
        assert self.world.strategy.pick is not None
        published = [one for one in self.world.events if one.order_number == number]
        picked = self.world.strategy.pick(published, events)
        return [replace(event, id=f"{event.id}#{len(published) + place}") for place, event in enumerate(picked)]


def max_offset(world: World) -> int:
    return max((one.offset for one in world.follows), default=0)


def identity(fields: dict[str, str]) -> str:
    """The id that an event must have: e-Courier's, or one that all equal events without an id share."""
    look = answered("x", Order().answer("x", [fields]))
    assert look is not None
    return fields.get("OrderEventID", look.events[0].id)


def answered(number: str, answer: httpx.Response) -> Look | None:
    """The look that the relay's own poller makes of an answer."""
    flow = POLLER.look(number)
    next(flow)
    try:
        flow.send(answer)
    except StopIteration as stop:
        found: Look | None = stop.value if isinstance(stop.value, Look) else None
        return found
    raise AssertionError("one answer must be enough")


def clock(ms: int) -> str:
    return format_wall_time(datetime.fromtimestamp(ms / 1000, UTC))
