"""Replays parked records through their orders' lanes, each order's in its first sequence, many orders at once.

A replay begins when the create of an order that the vendor did not know has been delivered, or when an operator asks.
The order's fence stays until its last record has been delivered, so whatever comes meanwhile is parked and follows.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from workers.app.events.log_context import about, about_order
from workers.app.parked.command_progress import CommandProgress
from workers.app.parked.replay_run import ReplayBudget, ReplayRun, ReplayState
from workers.app.sink.context import SinkContext
from workers.app.sink.intake import cost
from workers.app.sink.shard import Shard
from workers.app.sink.wakeups import Wakeups
from workers.core.consume.lanes import Entry, Lanes
from workers.core.parked.fence import OrderKey, ParkReason
from workers.core.parked.headers import ParkedOriginal, Parking, read_original
from workers.core.record import Partition, Record
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.framing import VALUE_SCHEMA_ID
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.parked_reader import Bound, ParkedReader, Wave
from workers.edges.log import log

_SCHEMA_ID_BYTES = 5  # of a value: they name a registry's schema


@dataclass(frozen=True, slots=True)
class ReplayPolicy:
    """How replays share the machine with the stream."""

    poll_interval_s: float = 0.05  # between looks at records that are on their way into the parked topic
    retry_after_s: float = 5.0  # until a pass that failed is made again
    memory_share: float = 0.5  # of `max_unfinished_bytes`, in addition to what the stream uses
    least_share: float = 0.25  # of the budget must be free before more is read


class Replays:
    """The replays of one assignment: which orders are replayed, and what is read next."""

    def __init__(
        self,
        context: SinkContext,
        lanes: Lanes,
        wakeups: Wakeups,
        reader: ParkedReader,
        policy: ReplayPolicy | None = None,
    ) -> None:
        self._context = context
        self._lanes = lanes
        self._wakeups = wakeups
        self._reader = reader
        self._policy = policy or ReplayPolicy()
        spec = context.spec
        most_bytes = int(spec.max_unfinished_bytes * self._policy.memory_share)
        self._budget = ReplayBudget(spec.max_unfinished, most_bytes, self._policy.least_share)
        self._runs: dict[OrderKey, ReplayRun] = {}
        self._unread: defaultdict[int, deque[ReplayRun]] = defaultdict(deque)  # by partition number
        self._wanted = asyncio.Event()  # something is to be read, and there is room for it

    async def run(self) -> None:
        """Read what is to be replayed, a wave at a time, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._round()
        finally:
            await self._reader.close()

    def is_running(self, shard: Shard, order_id: str) -> bool:
        """Whether the order's parked records in this partition number are being replayed."""
        return OrderKey(shard.number, order_id) in self._runs

    def start(self, shard: Shard, order_id: str) -> None:
        """The create that the parked order lacked has been delivered."""
        self._start(ReplayRun(shard, order_id))

    def ask(
        self, shard: Shard, order_id: str, command: str, waiting: tuple[CommandProgress, ...], *, resumed: bool
    ) -> None:
        """An operator asks for a replay; one that is running already goes on. ``waiting`` hear of its end."""
        run = self._runs.get(OrderKey(shard.number, order_id))
        if run is None:
            self._start(ReplayRun(shard, order_id, command, waiting, resumed))
        else:
            run.command, run.waiting = command, run.waiting + waiting

    def loaded(self, shard: Shard) -> None:
        """Go on with the replays that a former owner did not end."""
        for order_id, fence in shard.fences.items():
            if fence.create_delivered and not self.is_running(shard, order_id):
                self._start(ReplayRun(shard, order_id, resumed=True))

    def delivered(self, shard: Shard, entry: Entry) -> None:
        """A replayed record needs nothing more: the next one of its order goes."""
        run = self._runs.get(OrderKey(shard.number, entry.order_id))
        if run is None or run.head is not entry:
            return
        run.drop_head()
        run.about = about(entry)
        if run.state is ReplayState.SENDING:
            shard.fences.advance(run.order_id, run.records[0].place)
            self._send(run)
            return
        self._budget.release(run)
        if run.is_read_to_the_end():
            self._finish(run)
        else:  # more was parked meanwhile
            shard.fences.advance(run.order_id, run.read_to + 1)
            self._await_reading(run)
        self._read_if_there_is_room()

    def refused(self, shard: Shard, entry: Entry, parking: Parking) -> None:
        """A replayed record was refused: it stays parked with all that follow, for the new reason."""
        run = self._runs.get(OrderKey(shard.number, entry.order_id))
        if run is None or run.head is not entry:
            return
        shard.fences.refuse(run.order_id, parking, run.records[0].place, run.command, entry)
        self._end(run, ReplayState.REFUSED)

    def _start(self, run: ReplayRun) -> None:
        self._runs[run.key] = run
        self._await_reading(run)

    def _await_reading(self, run: ReplayRun) -> None:
        self._unread[run.shard.number].append(run)
        self._wanted.set()

    def _send(self, run: ReplayRun) -> None:
        self._budget.acquire(run)
        self._lanes.add(run.records[0].entry)

    async def _round(self) -> None:
        """One wave of each partition; what waits for room, or for its records to arrive, is looked at again."""
        read = False
        for number in list(self._unread):
            if wave := self._next_wave(number):
                await self._read(wave)
                read = True
        if self._unread and self._budget.room():
            self._wanted.set()
            if not read:
                await asyncio.sleep(self._policy.poll_interval_s)

    def _next_wave(self, number: int) -> list[ReplayRun]:
        """The next runs of one partition to be read together; those that have nothing more parked end here."""
        unread, room = self._unread.get(number), self._budget.room()
        if not unread or not room:
            return []
        wave: list[ReplayRun] = []
        for _ in range(len(unread)):
            run = unread.popleft()
            fence = run.shard.fences[run.order_id]
            if run.shard.writes.has_writes_of(run.order_id) or fence.first is None or fence.last is None:
                unread.append(run)  # its records are on their way into the parked topic
            elif fence.last <= run.read_to:
                self._finish(run) if run.records_found else self._lose(run)
            else:
                wave.append(run)
                if len(wave) >= room:
                    break
        if not unread:
            del self._unread[number]
        return wave

    async def _read(self, wave: list[ReplayRun]) -> None:
        """Read what is parked of these orders beyond what has been read, and send it."""
        at = Partition(self._context.spec.parks, wave[0].shard.number)
        wanted = {run.order_id: run.unread() for run in wave}
        try:
            found = await self._reader.read(at, wanted, Bound(self._budget.room_bytes, cost))
            originals = {order_id: self._originals(records) for order_id, records in found.orders.items()}
            await self._learn_schemas(chain.from_iterable(originals.values()))
        except (KafkaFailed, RegistryUnavailable) as error:
            log.warning("replay_waits", worker=self._context.spec.name, detail=str(error))
            await asyncio.sleep(self._policy.retry_after_s)
            found, originals = Wave({}, -1), {}
        for run in wave:
            for original in originals.get(run.order_id, ()):
                run.take(original, self._entry(run, original))
            run.read_up_to(wanted[run.order_id], found.reached, found=run.order_id in found.orders)
            if run.state is ReplayState.SENDING:
                self._send(run)
            else:
                self._await_reading(run)
        self._wakeups.pump()  # while the next wave is read

    def _originals(self, records: Sequence[Record]) -> list[ParkedOriginal]:
        """Those that are to be delivered, each as its source had it."""
        found = []
        for parked in records:
            try:
                original = read_original(parked)
            except ValueError as error:  # not written by us
                name, at, offset = self._context.spec.name, str(parked.at), parked.offset
                log.error("parked_record_unreadable", worker=name, detail=str(error), partition=at, offset=offset)
                continue
            if original is not None:
                found.append(original)
        return found

    async def _learn_schemas(self, originals: Iterable[ParkedOriginal]) -> None:
        """Lanes take only what can be decoded at once; raises `RegistryUnavailable`."""
        codec = self._context.codec
        sources = [one.source for one in originals]
        samples = {
            (one.topic, (one.value or b"")[:_SCHEMA_ID_BYTES], one.header(VALUE_SCHEMA_ID)): one for one in sources
        }
        for source in samples.values():
            try:
                codec.head(source.topic, source.value or b"", source.headers)
            except UnknownSchema as unknown:
                await codec.learn(unknown.schema_id)
            except (Undecodable, ValueError, KeyError):
                continue  # the sender parks it again, with the reason

    def _entry(self, run: ReplayRun, original: ParkedOriginal) -> Entry:
        is_first = not run.seen
        span = self._context.tracing.process(original.source, replay=True)
        span.belongs_to(run.order_id)
        return Entry(
            record=original.source,
            order_id=run.order_id,
            creates_order=original.source.topic in self._context.create_topics,
            ledger=run.shard.replay_ledger,
            size=cost(original.source),
            unknown=(run.resumed and is_first) or original.reason == ParkReason.GAVE_UP.value,
            replay=True,
            span=span,
            wait_for_create=run.command is None,  # an operator wants today's answer
        )

    def _finish(self, run: ReplayRun) -> None:
        """Nothing of the order is parked any more: its fence is lifted."""
        run.shard.fences.lift(run.order_id)
        log.debug("order_released", worker=self._context.spec.name, **(run.about or about_order(run.order_id)))
        self._end(run, ReplayState.DONE)

    def _lose(self, run: ReplayRun) -> None:
        """Not even the last record that the fence names was in the parked topic.

        If we lifted the fence, lost records would count as delivered.
        """
        fence, spec = run.shard.fences[run.order_id], self._context.spec
        detail = f"its parked records are no longer in {spec.parks}; discard it, and have it published again"
        run.shard.fences.refuse(run.order_id, Parking(fence.reason, detail), fence.first or 0, run.command)
        log.error("parked_records_gone", worker=spec.name, **about_order(run.order_id), records=fence.records)
        self._end(run, ReplayState.GONE)

    def _end(self, run: ReplayRun, state: ReplayState) -> None:
        run.state = state
        self._budget.release(run)
        del self._runs[run.key]
        for command in run.waiting:
            command.order_ended(run.order_id)
        self._read_if_there_is_room()

    def _read_if_there_is_room(self) -> None:
        if self._unread and self._budget.room():
            self._wanted.set()
