"""Asks the running worker to replay or discard parked orders, and reports what became of each.

A request is a command row in the parked state. The worker marks the row as taken, changes the orders' fences, and
deletes the row when it has finished; the tracker reads all of it from the same topic.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic, time_ns
from typing import NamedTuple

from workers.app.config.specs import SinkSpec
from workers.app.inspect.parked_orders import ParkedOrder, fence_of, row_name
from workers.core.counted import counted
from workers.core.parked.fence import Fence, OrderKey
from workers.core.parked.rows import DiscardCommand, ReplayCommand, command_key, command_row, read_row
from workers.core.record import Partition, Record
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.publisher import Publisher, open_publisher
from workers.edges.kafka.reader import FOLLOW_WAIT_MS, open_reader

PICK_UP_WITHIN_S = 120.0  # the worker may be restarting
ABSENT_MAX_S = 60.0  # without any member of the group: no process will finish what was taken
ORDERS_IN_ONE_COMMAND = 200
CHECK_EVERY_S = 5.0
NOTICE_EVERY_S = 10.0

MakeCommand = Callable[[str, Mapping[str, int], int], ReplayCommand | DiscardCommand]
"""Makes a command of its id, its orders (order id -> fence's ``since_ms``) and its expiry (ms since 1970)."""


class End(Enum):
    """What became of an order."""

    GONE = "gone"  # nothing of the order is parked any more
    STAYS = "stays"  # the worker has done what was asked, and the order is still parked
    SKIPPED = "skipped"  # the worker did nothing: another command was at work, or this one came too late
    NOT_PICKED_UP = "not_picked_up"  # no worker took the command in time


@dataclass(frozen=True, slots=True)
class OrderResult:
    order: ParkedOrder  # as it was when the command was made
    end: End
    fence: Fence | None = None  # as it is now; None: not read, or gone


class CommandRow(NamedTuple):
    partition: Partition
    key: bytes
    value: bytes


class SentCommand(NamedTuple):
    """A command that the worker has not finished."""

    orders: list[OrderKey]
    pick_up_until: float  # monotonic, seconds
    expires_ms: int = 0  # since 1970: no worker begins it later


@dataclass(slots=True)
class RequestTracker:
    """Reads from the rows of the parked state what becomes of the requested orders."""

    id: str
    open: dict[OrderKey, ParkedOrder] = field(default_factory=dict)
    commands: dict[str, SentCommand] = field(default_factory=dict)  # by the key of their row
    taken: set[str] = field(default_factory=set)

    def add(self, key: str, orders: Sequence[ParkedOrder], pick_up_until: float, expires_ms: int = 0) -> None:
        self.commands[key] = SentCommand([order.key for order in orders], pick_up_until, expires_ms)
        self.open |= {order.key: order for order in orders}

    def apply(self, record: Record) -> Iterator[OrderResult]:
        """Apply one row, in the order in which the worker wrote them."""
        name = row_name(record)
        key = OrderKey(record.partition, name)
        if name in self.commands:
            yield from self._apply_command(name, record)
        elif key in self.open:
            fence, requested = fence_of(record), self.open[key]
            if record.value is None or (fence is not None and fence.since_ms != requested.fence.since_ms):
                yield self._end(key, End.GONE)
            elif fence is not None and fence.command == self.id:
                yield self._end(key, End.STAYS, fence)

    def expire(self, now: float) -> Iterator[OrderResult]:
        """Give up on commands that no worker took in time."""
        for name, sent in list(self.commands.items()):
            if now > sent.pick_up_until and name not in self.taken:
                del self.commands[name]
                yield from [self._end(key, End.NOT_PICKED_UP) for key in sent.orders if key in self.open]

    @property
    def all_taken(self) -> bool:
        return self.commands.keys() <= self.taken

    @property
    def untaken(self) -> dict[str, SentCommand]:
        """The commands that no worker has begun, by the key of their row."""
        return {name: sent for name, sent in self.commands.items() if name not in self.taken}

    def orders_taken(self) -> int:
        """Orders without a result that a worker works on."""
        return sum(key in self.open for name in self.taken & self.commands.keys() for key in self.commands[name].orders)

    def _apply_command(self, name: str, record: Record) -> Iterator[OrderResult]:
        if record.value is None:
            sent = self.commands.pop(name)
            yield from [self._end(key, End.SKIPPED) for key in sent.orders if key in self.open]
            return
        row = read_row(record.value)
        if isinstance(row, ReplayCommand | DiscardCommand) and row.taken:
            self.taken.add(name)

    def _end(self, key: OrderKey, end: End, fence: Fence | None = None) -> OrderResult:
        return OrderResult(self.open.pop(key), end, fence)


def replay_command(by: str, why: str) -> MakeCommand:
    return lambda name, orders, expires: ReplayCommand(name, orders, expires, by=by, why=why)


def discard_command(by: str, why: str, *, first_only: bool) -> MakeCommand:
    return lambda name, orders, expires: DiscardCommand(name, orders, expires, by, why, first_only)


@dataclass(frozen=True, slots=True)
class Requester:
    """Which sink is asked, at what rate, and where notices go."""

    connection: KafkaConnection
    sink: SinkSpec
    starts: Mapping[Partition, int]  # offsets of the parked state, from before anything was requested
    rate: float | None = None  # orders a second; None: all at once
    print_notice: Callable[[str], None] = lambda _: None


def new_tracker() -> RequestTracker:
    return RequestTracker(uuid.uuid4().hex[:12])


def request(
    requester: Requester, orders: Sequence[ParkedOrder], make: MakeCommand, tracker: RequestTracker
) -> Generator[list[OrderResult]]:
    """Send commands and yield the orders' results as they come; raises `KafkaFailed`, at once without a worker.

    A caller that stops early withdraws what no worker has taken: `parked_withdrawal`.
    """
    unsent = list(reversed(orders))
    with (
        open_admin(requester.connection) as admin,
        open_publisher(requester.connection) as publisher,
        open_reader(requester.connection, FOLLOW_WAIT_MS) as reader,
    ):
        began = monotonic()
        presence = WorkerPresence(requester.sink, lambda: admin.group(requester.sink.group).members, began)
        notice = ProgressNotice(requester.sink.name, requester.print_notice, began)
        for records in reader.follow(requester.starts):
            now = monotonic()
            allowed = len(orders) if requester.rate is None else int((now - began) * requester.rate) + 1
            batch = [unsent.pop() for _ in range(min(len(unsent), allowed - (len(orders) - len(unsent))))]
            if batch:
                _send(publisher, commands(requester.sink, batch, make, tracker, now=now, now_ms=time_ns() // 1_000_000))
            results = [result for record in records for result in tracker.apply(record)]
            yield results + list(tracker.expire(now))
            left = len(tracker.open) + len(unsent)
            if not left:
                return
            presence.check(left, monotonic())
            notice.update(left, monotonic(), came=bool(batch or results), taken=tracker.all_taken)


def _send(publisher: Publisher, rows: Iterable[CommandRow]) -> None:
    for row in rows:
        publisher.send(row.partition.topic, row.key, row.value, (), partition=row.partition.number)
    publisher.finish()


def commands(
    sink: SinkSpec,
    orders: Iterable[ParkedOrder],
    make: MakeCommand,
    tracker: RequestTracker,
    *,
    now: float,
    now_ms: int,
) -> Iterator[CommandRow]:
    """The command rows for these orders; the tracker follows each. ``now``: monotonic, ``now_ms``: since 1970."""
    by_partition: dict[int, list[ParkedOrder]] = defaultdict(list)
    for order in orders:
        by_partition[order.partition_number].append(order)
    for number, ours in by_partition.items():
        for start in range(0, len(ours), ORDERS_IN_ONE_COMMAND):
            some = ours[start : start + ORDERS_IN_ONE_COMMAND]
            key = command_key(f"asked/{tracker.id}/{number}/{some[0].order_id}")
            meant = {one.order_id: one.fence.since_ms for one in some}
            expires_ms = now_ms + int(PICK_UP_WITHIN_S * 1000)
            command = make(tracker.id, meant, expires_ms)
            tracker.add(key.decode(), some, now + PICK_UP_WITHIN_S + CHECK_EVERY_S, expires_ms)
            yield CommandRow(Partition(sink.parked_state, number), key, command_row(command))


@dataclass(slots=True)
class ProgressNotice:
    """Prints what the command waits for when no result has come for a while."""

    worker: str
    print_notice: Callable[[str], None]
    since: float  # monotonic, seconds: the last result or notice

    def update(self, left: int, now: float, *, came: bool, taken: bool) -> None:
        """``left``: orders without a result. ``came``: something was sent or read. ``taken``: the worker has it all."""
        if came:
            self.since = now
        elif now - self.since > NOTICE_EVERY_S:
            self.since = now
            working = "the worker is at it; its /status shows the state of the vendor's gate"
            not_taken = f"no worker of {self.worker} has taken them yet: is 'relay run {self.worker}' running?"
            self.print_notice(f"{counted(left, 'order')} left; {working if taken else not_taken}")


class WorkerPresence:
    """Checks that a worker runs at all."""

    def __init__(self, sink: SinkSpec, members: Callable[[], Sequence[str]], now: float) -> None:
        """Raises `KafkaFailed` when the group has no member."""
        self._sink = sink
        self._members = members
        self._seen = self._checked = now
        if not members():
            raise KafkaFailed(f"no worker of {sink.name} is running: start it with 'relay run {sink.name}'")

    def check(self, left: int, now: float) -> None:
        """Raises `KafkaFailed` when the group has had no member for a while; ``left``: orders without a result."""
        if now - self._checked < CHECK_EVERY_S:
            return
        self._checked = now
        if self._members():
            self._seen = now
        elif now - self._seen > ABSENT_MAX_S:
            name = self._sink.name
            undone = f"{counted(left, 'order')} {'is' if left == 1 else 'are'} not done"
            raise KafkaFailed(
                f"no worker of {name} is running any more; {undone}: start it with "
                f"'relay run {name}', it goes on with those that it had taken; then ask again for the rest"
            )
