"""Asks the running worker to replay or discard parked orders, and tells what became of each."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic, time_ns
from typing import TypeAlias

from workers.app.config.specs import SinkSpec
from workers.app.inspect.parked_orders import ParkedOrder, fence_of, row_name
from workers.core.parked.commands import DiscardCommand, ReplayCommand, command_key, command_row
from workers.core.parked.fence import Fence
from workers.core.parked.rows import read_row
from workers.core.record import Partition, Record
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.publisher import open_publisher
from workers.edges.kafka.reader import FOLLOW_WAIT_MS, open_reader

TAKEN_WITHIN = 120.0  # seconds in which a worker must take a command: it may be restarting
_ALONE_FOR = 60.0  # seconds without any member of the group: nobody will go on with what was taken
_TOGETHER = 200  # orders in one command
_LOOK_EVERY = 5.0
_SAY_EVERY = 10.0

Place: TypeAlias = tuple[int, str]
"""`ParkedOrder.place`."""

Asked = Callable[[str, Mapping[str, int], int], ReplayCommand | DiscardCommand]
"""Makes a command of its id, its orders and when it expires (milliseconds since 1970)."""


class End(Enum):
    """What became of an order."""

    GONE = "gone"  # nothing of it is parked any more
    STAYS = "stays"  # what was asked has been done, and it is still parked
    LEFT = "left"  # the worker did nothing: another command was at work, or this one came too late
    UNTAKEN = "untaken"  # no worker took the command in time


@dataclass(frozen=True, slots=True)
class Result:
    """One order's."""

    order: ParkedOrder
    end: End
    fence: Fence | None = None  # as it stands now


@dataclass(slots=True)
class Following:
    """Reads from the parked state what becomes of the orders that were asked about."""

    id: str
    open: dict[Place, ParkedOrder] = field(default_factory=dict)
    keys: dict[str, tuple[list[Place], float]] = field(default_factory=dict)  # command -> its orders, until when
    taken: set[str] = field(default_factory=set)

    def asked(self, key: str, orders: Sequence[ParkedOrder], until: float) -> None:
        """A command has been sent."""
        self.keys[key] = [order.place for order in orders], until
        self.open |= {order.place: order for order in orders}

    def row(self, record: Record) -> Iterator[Result]:
        """Take one row, in the order in which the worker wrote them."""
        name = row_name(record)
        place = record.partition, name
        if name in self.keys:
            yield from self._command(name, record)
        elif place in self.open:
            fence, asked = fence_of(record), self.open[place]
            if record.value is None or (fence is not None and fence.since_ms != asked.fence.since_ms):
                yield self._end(place, End.GONE)
            elif fence is not None and fence.command == self.id:
                yield self._end(place, End.STAYS, fence)

    def late(self, now: float) -> Iterator[Result]:
        """Give up on commands that nobody took."""
        for key, (places, until) in list(self.keys.items()):
            if now > until and key not in self.taken:
                del self.keys[key]
                yield from [self._end(place, End.UNTAKEN) for place in places if place in self.open]

    def _command(self, name: str, record: Record) -> Iterator[Result]:
        if record.value is None:
            places, _ = self.keys.pop(name)
            yield from [self._end(one, End.LEFT) for one in places if one in self.open]
            return
        row = read_row(record.value)
        if isinstance(row, ReplayCommand | DiscardCommand) and row.taken:
            self.taken.add(name)

    def _end(self, place: Place, end: End, fence: Fence | None = None) -> Result:
        return Result(self.open.pop(place), end, fence)


def replays() -> Asked:
    """Deliver again."""
    return ReplayCommand


def discards(by: str, why: str, *, first_only: bool) -> Asked:
    """Give up."""
    return lambda name, orders, expires: DiscardCommand(name, orders, expires, by, why, first_only)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks where."""

    connection: KafkaConnection
    sink: SinkSpec
    starts: Mapping[Partition, int]  # of the parked state, from before anything was asked
    rate: float | None = None  # orders a second
    say: Callable[[str], None] = lambda _: None  # told what is waited for, while nothing comes


def ask(asking: Asking, orders: Sequence[ParkedOrder], make: Asked) -> Iterator[list[Result]]:
    """Send commands and yield the orders' results as they come; raises `KafkaFailed`, at once without a worker."""
    following = Following(uuid.uuid4().hex[:12])
    waiting = list(reversed(orders))
    with (
        open_admin(asking.connection) as admin,
        open_publisher(asking.connection) as publisher,
        open_reader(asking.connection, FOLLOW_WAIT_MS) as reader,
    ):
        seen = Watch(asking.sink, lambda: admin.group(asking.sink.group).members)
        seen.first_look()
        quiet = Quiet(asking)
        began = monotonic()
        for records in reader.follow(asking.starts):
            allowed = len(orders) if asking.rate is None else int((monotonic() - began) * asking.rate) + 1
            batch = [waiting.pop() for _ in range(min(len(waiting), allowed - (len(orders) - len(waiting))))]
            for at, key, value in commands(asking.sink, batch, make, following):
                publisher.send(at.topic, key, value, (), partition=at.number)
            if batch:
                publisher.finish()
            results = [result for record in records for result in following.row(record)]
            yield results + list(following.late(monotonic()))
            if not following.open and not waiting:
                return
            left = len(following.open) + len(waiting)
            seen.look(left)
            quiet.look(left, came=bool(batch or results), taken=following.keys.keys() <= following.taken)


def commands(
    sink: SinkSpec, orders: Iterable[ParkedOrder], make: Asked, following: Following
) -> Iterator[tuple[Partition, bytes, bytes]]:
    """(where, key, value) of the rows that ask for these orders."""
    by_number: dict[int, list[ParkedOrder]] = defaultdict(list)
    for order in orders:
        by_number[order.number].append(order)
    for number, ours in by_number.items():
        for start in range(0, len(ours), _TOGETHER):
            some = ours[start : start + _TOGETHER]
            key = command_key(f"asked/{following.id}/{number}/{some[0].order_id}")
            expires = time_ns() // 1_000_000 + int(TAKEN_WITHIN * 1000)
            command = make(following.id, {one.order_id: one.fence.since_ms for one in some}, expires)
            following.asked(key.decode(), some, monotonic() + TAKEN_WITHIN + _LOOK_EVERY)
            yield Partition(sink.parked_state, number), key, command_row(command)


@dataclass(slots=True)
class Quiet:
    """Says what is waited for when nothing has come for a while."""

    asking: Asking
    since: float = field(default_factory=monotonic)

    def look(self, left: int, *, came: bool, taken: bool) -> None:
        """``taken``: the worker has all that was asked."""
        now = monotonic()
        if came:
            self.since = now
        elif now - self.since > _SAY_EVERY:
            self.since, name = now, self.asking.sink.name
            why = "the worker is at it, and its /status tells how it stands with the vendor"
            not_taken = f"no worker of {name} has taken them yet: does 'relay run {name}' run?"
            self.asking.say(f"{left} orders left; {why if taken else not_taken}")


@dataclass(slots=True)
class Watch:
    """Looks whether there is a worker at all."""

    sink: SinkSpec
    members: Callable[[], Sequence[str]]
    seen: float = 0.0
    looked: float = 0.0

    def first_look(self) -> None:
        """Raises `KafkaFailed` when nobody is there to ask."""
        self.seen = self.looked = monotonic()
        if not self.members():
            raise KafkaFailed(f"no worker of {self.sink.name} is running: start it with 'relay run {self.sink.name}'")

    def look(self, left: int) -> None:
        """Raises `KafkaFailed` when nobody has been there for a while."""
        now = monotonic()
        if now - self.looked < _LOOK_EVERY:
            return
        self.looked = now
        if self.members():
            self.seen = now
        elif now - self.seen > _ALONE_FOR:
            raise KafkaFailed(
                f"no worker of {self.sink.name} is running any more; {left} orders are not done: start it with "
                f"'relay run {self.sink.name}', it goes on with those that it had taken, then ask again for the rest"
            )
