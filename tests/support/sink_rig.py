"""A sink's parts without Kafka: a clock that a test moves, a codec of plain text, a vendor that a test answers for."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from workers.app.config.specs import SinkSpec
from workers.app.events.receipts import read_receipts
from workers.app.sink.assignment import Ownership, SinkAssignment
from workers.app.sink.context import SinkContext
from workers.app.sink.finisher import Finisher
from workers.app.sink.outcomes import Outcomes
from workers.app.sink.sender import Sender
from workers.app.sink.shard import Shard, open_shard
from workers.app.sink.stats import SinkStats
from workers.app.sink.tracked_orders import TrackedOrders
from workers.app.sink.wakeups import Wakeups
from workers.app.sink.write_queue import WriteLimits
from workers.core.consume.lanes import Entry, Lane, Lanes
from workers.core.consume.start_position import StartAt
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.delivery.outcome import Outcome, Rejected, Skipped
from workers.core.delivery.tracked_order import Mark
from workers.core.events import Created, Event, EventHead, Status
from workers.core.parked.fence import Fence
from workers.core.parked.headers import Parking
from workers.core.receipt import Receipt
from workers.core.record import Headers, Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.schema_files import load_topic
from workers.edges.http.variable_names import VariableNames
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.membership import Membership
from workers.edges.telemetry.tracing import FlightTrace, PassOn, WorkerTracing
from workers.vendors.contract import Attempt, Call, Checkpoint, Delivery

CREATED, STATUS = "order-created", "order-status"
TOPICS = (CREATED, STATUS)


RECEIPTS, TRACKED = "ecdp-receipts", "ecourier-tracked-orders"
_SCHEMAS = Path(__file__).parents[2] / "schemas"
_OF_RECEIPTS = Codec(
    {each: load_topic(each, _SCHEMAS / f"{each}.avsc") for each in (RECEIPTS, TRACKED)}, time.monotonic
)


def receipts_in(records: Iterable[Any]) -> list[Receipt]:
    """The receipts in those of the records that hold any, in their sequence."""
    ours = (one for one in records if one.partition.topic == RECEIPTS)
    return [receipt for one in ours for receipt in read_receipts(_OF_RECEIPTS, RECEIPTS, one.value)]


class PlainCodec:
    """A value is ``ORDER`` or ``ORDER:content``; ``!`` is undecodable, and ``?`` has a schema to be asked for.

    ``ORDER@MS:content`` is an event of the one known producer, which occurred then. Receipts are Avro.
    """

    schemas = _OF_RECEIPTS.schemas
    encode = staticmethod(_OF_RECEIPTS.encode)
    prepare = staticmethod(_OF_RECEIPTS.prepare)

    def __init__(self) -> None:
        self.known = False
        self.asked: list[int] = []

    def head(self, topic: str, value: bytes, headers: Headers = ()) -> EventHead:  # noqa: ARG002
        text = value.decode()
        if text.startswith("!"):
            raise Undecodable("begins wrong")
        if text.startswith("?") and not self.known:
            raise UnknownSchema(42)
        order_id, at, occurred = text.lstrip("?").partition(":")[0].partition("@")
        return EventHead(order_id, "shop", int(occurred)) if at else EventHead(order_id)

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> Event:  # noqa: ARG002
        order_id = self.head(topic, value).order_id
        content: Any = {"order_id": order_id, "note": value.decode().partition(":")[2]}
        return Created(order_id, content) if topic == CREATED else Status(order_id, content)

    async def learn(self, schema_id: int) -> None:
        self.asked.append(schema_id)
        self.known = True


@dataclass(eq=False)
class Flight:
    """One request that the vendor has not answered yet."""

    attempts: list[Attempt]
    answer: asyncio.Future[Delivery]
    trace: FlightTrace

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
        self.session = None
        self.look_ups = 0
        self.membership = Membership()

    async def keep_alive(self) -> None:
        pass

    async def close(self) -> None:
        pass

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

    async def run(self, attempts: Sequence[Attempt], trace: FlightTrace) -> Delivery:
        flight = Flight(list(attempts), asyncio.get_running_loop().create_future(), trace)
        self.flights.append(flight)
        self.asked.set()
        return await flight.answer

    async def land(self, flight: Flight, *outcomes: Outcome) -> None:
        """Answer a flight, the same for all its records if one outcome is given."""
        flight.answer.set_result(list(outcomes) * (len(flight.attempts) if len(outcomes) == 1 else 1))
        await settled()

    async def reach(self, flight: Flight, mark: Mark) -> None:
        """The flight stops at a checkpoint; what follows it is another flight."""
        rest: Any = flight.attempts
        flight.answer.set_result(Checkpoint(mark, rest))
        await settled()


async def settled() -> None:
    """Let everything run that can run now."""
    for _ in range(6):
        await asyncio.sleep(0)


def sink_context(
    vendor: Vendor,
    codec: Any,
    /,
    *,
    monotonic: Callable[[], float],
    failed: Callable[[Exception], None],
    tracing: WorkerTracing | None = None,
    **spec: Any,
) -> SinkContext:
    """A sink of these settings whose vendor and codec are a test's."""
    own = {"vendor": "ecdp", **spec}
    whole = SinkSpec(name="ecdp-sink", consumes=TOPICS, parks="ecdp-parked", credentials="ECDP", **own)
    one: Any = vendor
    return SinkContext(
        spec=whole,
        instance="one",
        create_topics=frozenset([CREATED]),
        sink=one,
        client=one,
        credentials=cast("Any", SimpleNamespace(version=1, secrets=[], names=VariableNames())),
        codec=codec,
        tracing=tracing or PassOn(),
        brokers=Brokers(),
        monotonic=monotonic,
        wall_ms=lambda: int(monotonic() * 1000),
        jitter=lambda: 0.5,
        failed=failed,
    )


class RecordedReplays:
    """Replays that only take notes."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.delivered_entries: list[Entry] = []
        self.refusals: list[tuple[Entry, Parking]] = []
        self.running: set[str] = set()

    def is_running(self, shard: Shard, order_id: str) -> bool:  # noqa: ARG002
        return order_id in self.running

    def start(self, shard: Shard, order_id: str) -> None:  # noqa: ARG002
        self.started.append(order_id)

    def delivered(self, shard: Shard, entry: Entry) -> None:  # noqa: ARG002
        self.delivered_entries.append(entry)

    def refused(self, shard: Shard, entry: Entry, parking: Parking) -> None:  # noqa: ARG002
        self.refusals.append((entry, parking))


class Rig:
    """The parts of one sink from the lanes to the finisher; it owns partition number 0."""

    def __init__(
        self,
        *,
        codec: Any = None,
        limits: WriteLimits | None = None,
        monotonic: Callable[[], float] | None = None,
        **spec: Any,
    ) -> None:
        self.now = [1000.0]  # moved by the test, unless it gives another clock
        self.codec = PlainCodec() if codec is None else codec
        self.vendor = Vendor()
        self.failures: list[Exception] = []
        self.context = sink_context(
            self.vendor, self.codec, monotonic=monotonic or (lambda: self.now[0]), failed=self.failures.append, **spec
        )
        self.limits = limits
        self.stats = SinkStats()
        self.lanes = Lanes(self.context.spec.publish_skew, self.context.spec.remembered_orders)
        self.gate = Gate(GatePolicy(suspect_after=self.context.spec.suspect_after))
        self.ownership = Ownership(self.lanes)
        self.wakeups = Wakeups()
        self.tracked = TrackedOrders(self.context, None)
        self.finisher = Finisher(
            self.context, self.ownership, self.tracked, self.wakeups, self.stats.append_to_finish_seconds
        )
        self.outcomes = Outcomes(self.context, self.lanes, self.gate, self.finisher, self.stats)
        self.sender = Sender(
            self.context,
            self.ownership,
            lanes=self.lanes,
            gate=self.gate,
            outcomes=self.outcomes,
            finisher=self.finisher,
            stats=self.stats,
        )
        self.next_offset: dict[Partition, int] = {}
        self.replays = RecordedReplays()
        self.assign(0)

    @property
    def shard(self) -> Shard:
        return self.shards[0]

    @property
    def shards(self) -> dict[int, Shard]:
        assert self.ownership.assignment is not None
        return dict(self.ownership.assignment.shards)

    @property
    def parked(self) -> list[tuple[Entry, Parking]]:
        """What is queued to be parked, and the replayed records that were refused."""
        writes = [write for shard in self.shards.values() for write in shard.writes.next_writes()]
        parked = [(one.entry, one.parking) for one in writes if one.entry is not None and one.parking is not None]
        return parked + self.replays.refusals

    def close(self) -> None:
        """The partitions are being given away."""
        assert self.ownership.assignment is not None
        self.ownership.assignment.is_closing = True

    def settle(self, results: Sequence[tuple[Lane, Outcome]]) -> None:
        self.outcomes.settle(results, other_in_flight=0)

    def assign(self, *numbers: int, epoch: int = 1) -> None:
        """Begin these partition numbers, their fences known."""
        self.ownership.end()
        wait = self.context.spec.merge_wait
        shards = {
            number: open_shard(
                number,
                TOPICS,
                wait,
                self.now[0],
                self.wakeups,
                tracks=False,
                limits=self.limits,
                metadata_limit=self.ownership.metadata_limit,
            )
            for number in numbers
        }
        for number, shard in shards.items():
            for topic in TOPICS:
                shard.begin(Partition(topic, number), StartAt(0))
            shard.fences_loaded = True
        self.ownership.begin(SinkAssignment(epoch, f"generation {epoch}", shards, self.replays, cast("Any", None)))

    def record(self, value: str, topic: str = STATUS, number: int = 0, **given: Any) -> Record:
        at = Partition(topic, number)
        offset = self.next_offset.get(at, 0)
        self.next_offset[at] = offset + 1
        key = given.get("key", value.partition(":")[0].partition("@")[0].encode())
        headers: Headers = given.get("headers", ())
        return Record(topic, number, offset, given.get("ms", 1000 + offset), key, value.encode(), headers)

    def entry(self, value: str, topic: str = STATUS, number: int = 0, **given: Any) -> Entry:
        """A record that has been fetched; its lane is for the test to add it to."""
        record = self.record(value, topic, number, **given)
        shard = self.shards[number]
        shard.ledgers[record.at].open(record.offset)
        shard.fetched(record.at, 1, 100)
        order_id = value.partition(":")[0]
        span = self.context.tracing.process(record)
        span.belongs_to(order_id)
        return Entry(record, order_id, topic == CREATED, shard.ledgers[record.at], 100, span=span)

    def add(self, *values: str, topic: str = STATUS, number: int = 0) -> list[Entry]:
        entries = [self.entry(value, topic, number) for value in values]
        for entry in entries:
            self.lanes.add(entry)
        return entries

    def fly(self, value: str, topic: str = STATUS) -> Lane:
        """A lane whose head is in flight."""
        self.add(value, topic=topic)
        lane = self.lanes.take()
        assert lane is not None
        return lane

    def fence(self, order_id: str, fence: Fence | None) -> None:
        """The order is parked, or is no more, and Kafka knows."""
        self.shard.fences.load(order_id, fence)

    def committable(self, topic: str = STATUS, number: int = 0) -> int:
        return self.shards[number].ledgers[Partition(topic, number)].committable

    def lane_is_free(self, order_id: str) -> bool:
        return order_id not in self.lanes
