"""From the lanes to the vendor: which records are sent next, alone or in a batch, as far as gate and bound allow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from workers.app.events.log_context import about
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.finisher import Finisher
from workers.app.sink.outcomes import Outcomes
from workers.app.sink.stats import SinkStats
from workers.core.consume.lanes import Entry, Lane, Lanes
from workers.core.delivery.gate import Gate
from workers.core.delivery.outcome import Delivered, Outcome, Rejected, Skipped, Unavailable, Unknown, outcome_word
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Event
from workers.core.parked.fence import SUPERSEDED, Fence, ParkReason
from workers.core.parked.headers import Parking
from workers.core.trace import Wait
from workers.edges.aio import task_error
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.framing import schema_name
from workers.edges.avro.reader import Undecodable
from workers.edges.log import log
from workers.edges.telemetry.tracing import FlightTrace
from workers.vendors.contract import Attempt, Call, Checkpoint, LoginFailed, MaybeSent, NotSent

_RETRY_LIFTED_S = 0.02  # until a lane whose fence is being lifted is looked at again


@dataclass(slots=True, eq=False)
class PendingBatch:
    """Calls that will share a request; it is sent when it is full, or has waited for `batch.linger`."""

    group: str
    opened_at: float
    lanes: list[Lane] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    size: int = 0


class Sender:
    """Sends the heads of ready lanes. A flight is one conversation with the vendor: one request at a time."""

    def __init__(
        self,
        context: SinkContext,
        ownership: Ownership,
        *,
        lanes: Lanes,
        gate: Gate,
        outcomes: Outcomes,
        finisher: Finisher,
        stats: SinkStats,
    ) -> None:
        self._context = context
        self._ownership = ownership
        self._lanes = lanes
        self._gate = gate
        self._outcomes = outcomes
        self._finisher = finisher
        self._stats = stats
        self._flights: set[asyncio.Task[None]] = set()
        self._batch: PendingBatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_pump_due = False  # in this turn of the loop

    @property
    def in_flight(self) -> int:
        """Vendor requests under way."""
        return len(self._flights)

    @property
    def gate_is_open(self) -> bool:
        """Whether records may be sent as they come."""
        return self._gate.is_open

    def pump(self) -> None:
        """Send whatever may be sent now."""
        self._is_pump_due = False
        now = self._context.monotonic()
        self._lanes.wake(now)
        self._close_batch(now)  # before other records take the place in flight that it has waited for
        if self._gate.struck_one_order and self._lanes.has_blameless:
            self._gate.ask_another(now)
        while self._has_room(now) and not self._ownership.is_closing:
            lane = self._lanes.take(to_probe=not self._gate.is_open)
            if lane is None and not self._gate.is_open and not self._batch:
                self._lanes.wake_one()  # a probe needs a record, even one that waits for its own retry
                lane = self._lanes.take()
            if lane is None:
                break
            self._dispatch(lane, now)
        self._close_batch(now)
        self._schedule_pump(now)

    def cancel_flights(self) -> None:
        """End every flight: whether the vendor applied what it sent is unknown, and it stays uncommitted."""
        for flight in self._flights:
            flight.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def release_batch(self) -> None:
        """Do not send the batch that is being filled: its lanes go back to ready."""
        batch, self._batch = self._batch, None
        for lane in batch.lanes if batch else ():
            lane.queue[0].span.waits(Wait.GATE)
            self._lanes.requeue(lane)

    async def wait_idle(self) -> None:
        """Wait until no flight is under way."""
        while self._flights:
            await asyncio.wait(self._flights)

    def _has_room(self, now: float) -> bool:
        waiting = 1 if self._batch else 0
        admitted = self._gate.admits(now, self.in_flight + waiting)
        return (admitted is None or admitted > 0) and self._may_fly()

    def _may_fly(self) -> bool:
        return len(self._flights) < self._context.spec.max_in_flight

    def _dispatch(self, lane: Lane, now: float) -> None:
        """Send the lane's head, add it to the batch, or end it without sending."""
        entry = lane.queue[0]
        call = self._prepare(lane, entry)
        if call is None:
            return
        attempt = Attempt(call, entry.attempts + 1, entry.unknown)
        if call.group is None or entry.goes_alone or not self._gate.is_open:
            self._launch([lane], [attempt])
        else:
            self._add_to_batch(lane, attempt, call, now)

    def _prepare(self, lane: Lane, entry: Entry) -> Call | None:
        shard = self._ownership.shard_of(entry)
        if shard is None:  # its next owner sends it
            self._lanes.finish(lane).given_away()
            return None
        if shard.fences.is_being_lifted(entry.order_id):
            # The fence's removal is not committed yet. If we sent this record and crashed now, the parked records
            # would be replayed after it.
            self._lanes.wait(lane, self._context.monotonic() + _RETRY_LIFTED_S)
            return None
        blocked = _blocked(entry, shard.fences.get(entry.order_id))
        if blocked is not None:
            self._park(lane, entry, blocked)
            return None
        try:
            record = entry.record
            event = self._context.codec.decode(record.topic, record.value or b"", record.headers)
        except Undecodable as error:
            self._park(lane, entry, Parking(ParkReason.UNDECODABLE, str(error)))
            return None
        except UnknownSchema as error:  # the registry has no such schema, and its answer is forgotten after a minute
            detail = f"the registry does not know {schema_name(error.schema_id)}"
            self._park(lane, entry, Parking(ParkReason.UNDECODABLE, detail))
            return None
        return self._map(lane, entry, event, shard.tracked.get(entry.order_id))

    def _map(self, lane: Lane, entry: Entry, event: Event, known: Tracked | None) -> Call | None:
        try:
            prepared = self._context.sink.prepare(event, known)
        except Exception as error:  # noqa: BLE001 - a mapping's mistake parks one record; it must not stop all others
            log.error("mapping_failed", worker=self._context.spec.name, **about(entry), error=type(error).__name__)
            prepared = Rejected(f"the relay could not map it ({type(error).__name__}): a fault of the relay's")
        match prepared:
            case Call(note=note):
                if note is not None:
                    self._stats.notes[note] += 1
                return prepared
            case Skipped():
                self._settle([lane], [prepared])
            case Rejected(detail=detail):
                self._park(lane, entry, Parking(ParkReason.INVALID, detail))
            case _:
                assert_never(prepared)
        return None

    def _park(self, lane: Lane, entry: Entry, parking: Parking) -> None:
        self._lanes.finish(lane)
        self._finisher.park(entry, parking)

    def _settle(self, lanes: list[Lane], outcomes: list[Outcome]) -> None:
        self._outcomes.settle(list(zip(lanes, outcomes, strict=True)), other_in_flight=self.in_flight - 1)

    def _add_to_batch(self, lane: Lane, attempt: Attempt, call: Call, now: float) -> None:
        limits, batch = self._context.spec.batch, self._batch
        if batch and (batch.group != call.group or batch.size + call.size > limits.max_bytes):
            self._send_batch()
            batch = None
        if batch is None:
            batch = self._batch = PendingBatch(call.group or "", now)
        lane.queue[0].span.waits(Wait.LINGER)
        batch.lanes.append(lane)
        batch.attempts.append(attempt)
        batch.size += call.size
        if len(batch.lanes) >= limits.max_orders:
            self._send_batch()

    def _close_batch(self, now: float) -> None:
        """Send the batch when it has waited long enough; if the gate is shut, its lanes go back to ready."""
        if self._batch is None:
            return
        if not self._gate.is_open or self._ownership.is_closing:
            self.release_batch()
        elif now - self._batch.opened_at >= self._context.spec.batch.linger and self._may_fly():
            self._send_batch()

    def _send_batch(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            self._launch(batch.lanes, batch.attempts)

    def _launch(self, lanes: list[Lane], attempts: list[Attempt]) -> None:
        self._stats.batch_records.record(len(lanes))
        trace = self._context.tracing.deliver([lane.queue[0] for lane in lanes])
        flight = asyncio.get_running_loop().create_task(self._fly(lanes, attempts, trace))
        self._flights.add(flight)
        flight.add_done_callback(partial(self._landed, lanes, trace))

    def _landed(self, lanes: list[Lane], trace: FlightTrace, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        if flight.cancelled():  # perhaps before it began: only here is every cancelled flight seen
            trace.end("cancelled")
            for lane in lanes:
                self._abandon(lane)
        elif (error := task_error(flight)) is not None:
            # The lanes of a flight that failed here would stay closed for good: the process ends and is restarted.
            self._context.failed(error)
        if not self._is_pump_due:  # one for all flights that land in one turn of the loop
            self._is_pump_due = True
            asyncio.get_running_loop().call_soon(self.pump)

    def _abandon(self, lane: Lane) -> None:
        """Its flight was cut off: whether its head was applied is unknown, and the head stays uncommitted."""
        self._stats.unknown += 1
        self._lanes.finish(lane).given_away()

    async def _fly(self, lanes: list[Lane], attempts: list[Attempt], trace: FlightTrace) -> None:
        outcomes = await self._deliver(lanes[0].queue[0], attempts, trace)
        failed = (outcome for outcome in outcomes if not isinstance(outcome, Delivered | Skipped))
        trace.end(next(map(outcome_word, failed), None))
        self._settle(lanes, outcomes)

    async def _deliver(self, entry: Entry, attempts: list[Attempt], trace: FlightTrace) -> list[Outcome]:
        try:
            outcomes = await self._run(entry, attempts, trace)
        except NotSent as error:
            return [Unavailable(str(error))] * len(attempts)
        except MaybeSent as error:
            return [Unknown(str(error))] * len(attempts)
        except LoginFailed as failed:
            return [failed.outcome] * len(attempts)
        except Exception as error:  # noqa: BLE001 - a flow's mistake must not end the worker, and what was applied is unknown
            return self._own_fault(entry, type(error).__name__, len(attempts))
        if len(outcomes) != len(attempts):
            return self._own_fault(entry, f"{len(outcomes)} outcomes for {len(attempts)} calls", len(attempts))
        return outcomes

    async def _run(self, entry: Entry, attempts: list[Attempt], trace: FlightTrace) -> list[Outcome]:
        """Run the delivery from checkpoint to checkpoint; only a single call's has any, and ``entry`` is its record."""
        delivery = await self._context.client.run(self._context.sink.deliver(attempts), trace)
        while isinstance(delivery, Checkpoint):
            if not await self._finisher.keep(entry, delivery.mark):
                raise MaybeSent("the partition was given away in the middle of the delivery")
            delivery = await self._context.client.run(delivery.then, trace)
        return delivery

    def _own_fault(self, first: Entry, what: str, count: int) -> list[Outcome]:
        log.error("flow_failed", worker=self._context.spec.name, **about(first), records=count, error=what)
        return [Unknown(f"the relay's own fault: {what}")] * count

    def _schedule_pump(self, now: float) -> None:
        """Pump again when the next wait is over: a retry, the linger, the gate."""
        times = (
            self._lanes.next_due(),
            None if self._gate.is_open else self._gate.until,
            None if self._batch is None else self._batch.opened_at + self._context.spec.batch.linger,
        )
        soonest = min((at for at in times if at is not None and at > now), default=None)
        if soonest is None:
            return
        if self._timer is not None and not self._timer.cancelled() and now < self._timer_at <= soonest:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = soonest
        self._timer = asyncio.get_running_loop().call_later(soonest - now + 0.001, self.pump)


def _blocked(entry: Entry, fence: Fence | None) -> Parking | None:
    """Why the record must not be sent because of its order's fence; None: it may."""
    if fence is None:
        return None
    if entry.replay:
        return Parking(ParkReason.REJECTED, SUPERSEDED) if fence.superseded else None
    blocks = fence.blocks(creates_order=entry.creates_order)
    return Parking(ParkReason.BEHIND, f"behind a parked record ({fence.reason.value})") if blocks else None
