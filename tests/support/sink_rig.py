"""A sink's parts without Kafka: a clock that stands still, a codec of plain text, a vendor that a test answers for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from workers.app.config.specs import SinkSpec
from workers.app.sink.context import SinkContext
from workers.app.sink.flights import Flights
from workers.app.sink.outcomes import Outcomes
from workers.app.sink.shard import open_shard
from workers.app.sink.state import SinkState
from workers.core.consume.backpressure import FetchBudget
from workers.core.consume.lanes import Entry, Lane, Lanes
from workers.core.consume.start_position import StartAt
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Outcome, Rejected, Skipped
from workers.core.events import Created, Event, Status
from workers.core.parked.headers import Parking
from workers.core.record import Headers, Partition, Record
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.owner import Assignment
from workers.edges.telemetry import PassOn
from workers.vendors.contract import Attempt, Call

CREATED, STATUS = "order-created", "order-status"
TOPICS = (CREATED, STATUS)


class PlainCodec:
    """A value is ``ORDER`` or ``ORDER:content``; ``!`` is undecodable, and ``?`` has a schema to be asked for."""

    def __init__(self) -> None:
        self.known = False
        self.asked: list[int] = []

    def order_id(self, topic: str, value: bytes) -> str:  # noqa: ARG002
        text = value.decode()
        if text.startswith("!"):
            raise Undecodable("begins wrong")
        if text.startswith("?") and not self.known:
            raise UnknownSchema(42)
        return text.lstrip("?").partition(":")[0]

    def decode(self, topic: str, value: bytes) -> Event:
        order_id = self.order_id(topic, value)
        content: Any = {"order_id": order_id, "note": value.decode().partition(":")[2]}
        return Created(order_id, content) if topic == CREATED else Status(order_id, content)

    async def learn(self, schema_id: int) -> None:
        self.asked.append(schema_id)
        self.known = True


@dataclass(eq=False)
class Flight:
    """One request that the vendor has not answered yet."""

    attempts: list[Attempt]
    answer: asyncio.Future[list[Outcome]]

    @property
    def orders(self) -> list[str]:
        return [attempt.call.order_id for attempt in self.attempts]


class Vendor:
    """The sink and its client in one: keeps every flight until the test lands it."""

    def __init__(self) -> None:
        self.flights: list[Flight] = []
        self.group: str | None = None
        self.size = 10
        self.asked = asyncio.Event()

    def prepare(self, event: Event, known: Any = None) -> Call | Skipped | Rejected:  # noqa: ARG002
        note = cast("dict[str, str]", event.content)["note"]
        match note:
            case "skip":
                return Skipped("nothing to send")
            case "invalid":
                return Rejected("order.lines: too many")
            case "broken":
                raise KeyError("canary")
            case _:
                pass
        return Call(event.order_id, isinstance(event, Created), note, self.size, self.group)

    def deliver(self, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
        return attempts

    async def run(self, attempts: Sequence[Attempt], trace: Any) -> list[Outcome]:  # noqa: ARG002
        flight = Flight(list(attempts), asyncio.get_running_loop().create_future())
        self.flights.append(flight)
        self.asked.set()
        return await flight.answer

    async def land(self, flight: Flight, *outcomes: Outcome) -> None:
        """Answer a flight, the same for all its records if one outcome is given."""
        flight.answer.set_result(list(outcomes) * (len(flight.attempts) if len(outcomes) == 1 else 1))
        await settled()


async def settled() -> None:
    """Let everything run that can run now."""
    for _ in range(6):
        await asyncio.sleep(0)


@dataclass
class Rig:
    """The state of one sink and its parts."""

    state: SinkState
    codec: PlainCodec
    vendor: Vendor
    now: list[float]
    parked: list[tuple[Entry, Parking]] = field(default_factory=list)
    delivered: list[Entry] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    next_offset: dict[Partition, int] = field(default_factory=dict)

    @property
    def outcomes(self) -> Outcomes:
        return Outcomes(self.state, cast("Any", self.codec), park=self.park, delivered=self.deliver)

    def flights(self) -> Flights:
        tools = SinkContext(
            sink=cast("Any", self.vendor),
            client=cast("Any", self.vendor),
            credentials=cast("Any", None),
            codec=cast("Any", self.codec),
            tracing=PassOn(),
            failed=self.failures.append,
        )
        return Flights(self.state, tools, settle=self.outcomes.settle, park=self.park)

    def park(self, entry: Entry, parking: Parking) -> None:
        self.parked.append((entry, parking))

    def deliver(self, entry: Entry, mark: Any) -> bool:  # noqa: ARG002
        self.delivered.append(entry)
        return False

    def assign(self, *numbers: int, epoch: int = 1) -> None:
        """Begin these partition numbers, their fences known."""
        state = self.state
        partitions = frozenset(Partition(topic, number) for number in numbers for topic in TOPICS)
        state.assignment = Assignment(epoch, partitions, group=f"generation {epoch}")
        state.shards = {number: open_shard(number, TOPICS, 10.0, self.now[0], tracks=False) for number in numbers}
        for at in partitions:
            state.shards[at.number].begin(at, StartAt(0))
        for shard in state.shards.values():
            shard.fences_loaded = True

    def record(self, value: str, topic: str = STATUS, number: int = 0, **given: Any) -> Record:
        at = Partition(topic, number)
        offset = self.next_offset.get(at, 0)
        self.next_offset[at] = offset + 1
        key = given.get("key", value.partition(":")[0].encode())
        headers: Headers = given.get("headers", ())
        return Record(topic, number, offset, given.get("ms", 1000 + offset), key, value.encode(), headers)

    def entry(self, value: str, topic: str = STATUS, number: int = 0, **given: Any) -> Entry:
        """A record that has been fetched; its lane is for the test to add it to."""
        record = self.record(value, topic, number, **given)
        shard = self.state.shards[number]
        shard.ledgers[record.at].open(record.offset)
        shard.took(record.at, 100)
        order_id = value.partition(":")[0]
        return Entry(record, order_id, topic == CREATED, shard.ledgers[record.at], 100)

    def add(self, *values: str, topic: str = STATUS, number: int = 0) -> list[Entry]:
        entries = [self.entry(value, topic, number) for value in values]
        for entry in entries:
            self.state.lanes.add(entry)
        return entries

    def fly(self, value: str, topic: str = STATUS) -> Lane:
        """A lane whose head is in flight."""
        self.add(value, topic=topic)
        lane = self.state.lanes.take()
        assert lane is not None
        return lane

    def committable(self, topic: str = STATUS, number: int = 0) -> int:
        return self.state.shards[number].ledgers[Partition(topic, number)].committable


def make_rig(**spec: Any) -> Rig:
    """A sink of these settings that owns partition number 0."""
    now = [1000.0]
    whole = SinkSpec(name="ecdp-sink", vendor="ecdp", consumes=TOPICS, parks="ecdp-parked", credentials="ECDP", **spec)
    state = SinkState(
        spec=whole,
        lanes=Lanes(),
        gate=Gate(GatePolicy(suspect_after=whole.suspect_after)),
        window=FetchBudget(whole.max_unfinished, whole.max_unfinished_bytes),
        opening=frozenset([CREATED]),
        monotonic=lambda: now[0],
        wall_ms=lambda: int(now[0] * 1000),
        jitter=lambda: 0.5,
    )
    rig = Rig(state, PlainCodec(), Vendor(), now)
    rig.assign(0)
    return rig


def lane_is_free(rig: Rig, order_id: str) -> bool:
    return order_id not in rig.state.lanes
