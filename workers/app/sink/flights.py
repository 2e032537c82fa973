"""From the lanes to the vendor: what is sent next, alone or in company, as far as the gate and the bound allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from workers.app.sink.context import SinkContext
from workers.app.sink.state import SinkState
from workers.core.consume.lanes import Entry, Lane
from workers.core.delivery.outcome import Outcome, Rejected, Skipped, Unavailable, Unknown
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Event
from workers.core.parked.fence import SUPERSEDED, Fence, ParkReason
from workers.core.parked.headers import Parking
from workers.edges.aio import task_error
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.log import log
from workers.edges.telemetry import Trace
from workers.vendors.contract import Attempt, Call, LoginFailed, MaybeSent, NotSent

_NAP = 0.02  # seconds

Settle = Callable[[Sequence[tuple[Lane, Outcome]]], None]
Park = Callable[[Entry, Parking], None]


@dataclass(slots=True, eq=False)
class PendingBatch:
    """Calls that are to share a request, until they are many enough or have waited long enough."""

    group: str
    opened_at: float
    lanes: list[Lane] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    size: int = 0


class Flights:
    """Sends the heads of ready lanes. A flight is one conversation with the vendor: one request at a time."""

    def __init__(self, state: SinkState, tools: SinkContext, *, settle: Settle, park: Park) -> None:
        self._state = state
        self._tools = tools
        self._settle = settle
        self._park = park
        self._flying: set[asyncio.Task[None]] = set()
        self._company: PendingBatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def pump(self) -> None:
        """Send whatever may be sent now."""
        state = self._state
        now = state.monotonic()
        state.lanes.wake(now)
        self._close_company(now)  # before others take the place that it has waited for
        while self._room(now) and not state.holding:
            lane = state.lanes.take()
            if lane is None and not state.gate.is_open and not self._company:
                state.lanes.wake_one()  # a probe needs a record, even one that waits for its own retry
                lane = state.lanes.take()
            if lane is None:
                break
            self._board(lane, now)
        self._close_company(now)
        self._wake_at(now)

    def give_up(self) -> None:
        """End every flight: what it sent is unknown, and stays uncommitted."""
        for flight in self._flying:
            flight.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def disband(self) -> None:
        """Send nobody who still waits for company: its lanes go back to where they were."""
        company, self._company = self._company, None
        for lane in company.lanes if company else ():
            self._state.lanes.again(lane)

    async def landed(self) -> None:
        """Wait until no flight is under way."""
        while self._flying:
            await asyncio.wait(self._flying)

    def _room(self, now: float) -> bool:
        waiting = 1 if self._company else 0
        admitted = self._state.gate.admits(now, self._state.in_flight + waiting)
        if admitted is not None:
            return admitted > 0
        return self._free()

    def _free(self) -> bool:
        return self._state.in_flight < self._state.spec.max_in_flight

    def _board(self, lane: Lane, now: float) -> None:
        """Send the lane's head, put it into company, or end it without sending."""
        entry = lane.queue[0]
        call = self._prepare(lane, entry)
        if call is None:
            return
        attempt = Attempt(call, entry.attempts + 1, entry.unknown)
        if call.group is None or not self._state.gate.is_open:
            self._launch([lane], [attempt])
        else:
            self._join(lane, attempt, call, now)

    def _prepare(self, lane: Lane, entry: Entry) -> Call | None:
        shard = self._state.shard_of(entry)
        if shard is None:  # given away since: its next owner sends it
            self._state.lanes.finish(lane)
            return None
        if (shard.number, entry.order_id) in self._state.unfencing:
            # Were it sent now, and we died before the fence's end is told, the parked ones would follow it once more.
            self._state.lanes.wait(lane, self._state.monotonic() + _NAP)
            return None
        held = _held(entry, shard.fences.get(entry.order_id))
        if held is not None:
            self._end(lane, entry, held)
            return None
        try:
            event = self._tools.codec.decode(entry.record.topic, entry.record.value or b"")
        except Undecodable as error:
            self._end(lane, entry, Parking(ParkReason.UNDECODABLE, str(error)))
            return None
        except UnknownSchema as error:  # the registry said that it has none, and that is forgotten after a minute
            detail = f"the registry does not know schema id {error.schema_id}"
            self._end(lane, entry, Parking(ParkReason.UNDECODABLE, detail))
            return None
        return self._mapped(lane, entry, event, shard.tracked.get(entry.order_id))

    def _mapped(self, lane: Lane, entry: Entry, event: Event, known: Tracked | None) -> Call | None:
        try:
            prepared = self._tools.sink.prepare(event, known)
        except Exception as error:  # noqa: BLE001 - a mapping's mistake parks one record; it must not stop all others
            log.error("mapping_failed", worker=self._state.spec.name, error=type(error).__name__)
            prepared = Rejected(f"the relay could not map it ({type(error).__name__}): a fault of the relay's")
        match prepared:
            case Call(note=note):
                if note is not None:
                    self._state.stats.notes[note] += 1
                return prepared
            case Skipped():
                self._settle([(lane, prepared)])
            case Rejected(detail=detail):
                self._end(lane, entry, Parking(ParkReason.INVALID, detail))
            case _:
                assert_never(prepared)
        return None

    def _end(self, lane: Lane, entry: Entry, parking: Parking) -> None:
        self._state.lanes.finish(lane)
        self._park(entry, parking)

    def _join(self, lane: Lane, attempt: Attempt, call: Call, now: float) -> None:
        batch = self._state.spec.batch
        company = self._company
        if company and (company.group != call.group or company.size + call.size > batch.max_bytes):
            self._depart()
            company = None
        if company is None:
            company = self._company = PendingBatch(call.group or "", now)
        company.lanes.append(lane)
        company.attempts.append(attempt)
        company.size += call.size
        if len(company.lanes) >= batch.max_orders:
            self._depart()

    def _close_company(self, now: float) -> None:
        """Let the company go when it has waited long enough; a shut gate sends it home."""
        if self._company is None:
            return
        if not self._state.gate.is_open or self._state.holding:
            self.disband()
        elif now - self._company.opened_at >= self._state.spec.batch.linger and self._free():
            self._depart()

    def _depart(self) -> None:
        company, self._company = self._company, None
        if company is not None:
            self._launch(company.lanes, company.attempts)

    def _launch(self, lanes: list[Lane], attempts: list[Attempt]) -> None:
        trace = self._tools.tracing.process([lane.queue[0].record for lane in lanes], self._state.spec.name)
        flight = asyncio.get_running_loop().create_task(self._fly(lanes, attempts, trace))
        self._flying.add(flight)
        self._state.in_flight = len(self._flying)
        flight.add_done_callback(partial(self._landed, lanes))

    def _landed(self, lanes: list[Lane], flight: asyncio.Task[None]) -> None:
        self._flying.discard(flight)
        self._state.in_flight = len(self._flying)
        if flight.cancelled():  # perhaps before it began: only here is it seen for sure
            for lane in lanes:
                self._state.abandon_in_flight(lane)
        elif (fault := task_error(flight)) is not None:
            # A lane whose flight broke off here would stay closed for good: the process starts anew instead.
            self._tools.failed(fault)
        self.pump()

    async def _fly(self, lanes: list[Lane], attempts: list[Attempt], trace: Trace) -> None:
        outcomes = await self._outcomes(attempts, trace)
        trace.end(outcomes)
        self._settle(list(zip(lanes, outcomes, strict=True)))

    async def _outcomes(self, attempts: list[Attempt], trace: Trace) -> list[Outcome]:
        try:
            outcomes = await self._tools.client.run(self._tools.sink.deliver(attempts), trace)
        except NotSent as error:
            return [Unavailable(str(error))] * len(attempts)
        except MaybeSent as error:
            return [Unknown(str(error))] * len(attempts)
        except LoginFailed as failed:
            return [failed.outcome] * len(attempts)
        except Exception as error:  # noqa: BLE001 - a flow's mistake must not end the worker, and tells nothing of what was applied
            return self._own_fault(type(error).__name__, len(attempts))
        if len(outcomes) != len(attempts):
            return self._own_fault(f"{len(outcomes)} outcomes for {len(attempts)} calls", len(attempts))
        return outcomes

    def _own_fault(self, what: str, count: int) -> list[Outcome]:
        log.error("flow_failed", worker=self._state.spec.name, error=what)
        return [Unknown(f"the relay's own fault: {what}")] * count

    def _wake_at(self, now: float) -> None:
        """Pump again when the next wait is over: a retry, the linger, the gate."""
        state = self._state
        times = [state.lanes.next_due(), None if state.gate.is_open else state.gate.until]
        if self._company is not None:
            times.append(self._company.opened_at + state.spec.batch.linger)
        due = [at for at in times if at is not None and at > now]
        if not due:
            return
        soonest = min(due)
        if self._timer is not None and not self._timer.cancelled() and now < self._timer_at <= soonest:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = soonest
        self._timer = asyncio.get_running_loop().call_later(soonest - now + 0.001, self.pump)


def _held(entry: Entry, fence: Fence | None) -> Parking | None:
    """Why its order's fence lets the record not be sent; None: it may."""
    if fence is None:
        return None
    if entry.replay:
        return Parking(ParkReason.REJECTED, SUPERSEDED) if fence.superseded else None
    holds = fence.holds(creates_order=entry.creates_order)
    return Parking(ParkReason.BEHIND, f"behind a parked record ({fence.reason.value})") if holds else None
