"""What the worker does with each outcome: finish the record, try it again, let it wait, or park it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

from workers.app.events.gate_log import AGAIN_AFTER_S, GateLog
from workers.app.events.log_context import about
from workers.app.sink.context import SinkContext
from workers.app.sink.finisher import Finisher
from workers.app.sink.stats import SinkStats
from workers.core.consume.lanes import Entry, Lane, Lanes, LaneState
from workers.core.consume.suspicion import Suspicion
from workers.core.delivery.gate import Gate, Reason
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
    VendorFault,
    outcome_word,
    reworded,
)
from workers.core.delivery.retry import RetryPolicy
from workers.core.events import ORDER_STATES
from workers.core.last_errors import Part
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking
from workers.core.redaction import redact
from workers.core.trace import Wait
from workers.edges.avro.reader import Undecodable
from workers.edges.log import log

VENDOR_FAULTS: Final = (Throttled, Unavailable, Unknown, Denied)
TOO_LARGE: Final = 413  # HTTP status; with Retry-After it is only for now

_RETRY_SHARE = 0.5  # of `max_unfinished` may wait for a retry: the rest stays free for orders that can go


class WasShut(NamedTuple):
    """When the gate opened last, and why it had been shut."""

    opened_ms: int  # since 1970; 0: never
    reason: str


class Outcomes:
    """Finishes, retries or parks each record after its flight, and reports to the gate."""

    def __init__(self, context: SinkContext, lanes: Lanes, gate: Gate, finisher: Finisher, stats: SinkStats) -> None:
        self._context = context
        self._lanes = lanes
        self._gate = gate
        self._gate_log = GateLog(gate, context.spec.name)
        self._finisher = finisher
        self._stats = stats
        retry = context.spec.retry
        self._policy = RetryPolicy(first=retry.first, max=retry.max, give_up_after=retry.give_up_after)
        self._gate_opened_at = float("-inf")
        self._was_shut = WasShut(0, "")
        self._delivered_at = float("-inf")  # of any order, last
        self._logged_at = float("-inf")  # a failure of the vendor's, monotonic

    def settle(self, results: Sequence[tuple[Lane, Outcome]], *, other_in_flight: int) -> None:
        """Act on the outcomes of one flight; ``other_in_flight``: requests still under way."""
        results = self._without_content(results)
        faults: set[type[Outcome]] = set()
        alone = len(results) == 1 or sum(isinstance(outcome, VENDOR_FAULTS) for _, outcome in results) == 1
        # Deliveries first: refusals in the same request are those orders' own fault, not the account's.
        for lane, outcome in sorted(results, key=lambda result: not isinstance(result[1], Delivered)):
            lane.queue[0].span.met(outcome_word(outcome), None if isinstance(outcome, Skipped) else outcome.status)
            repeat = isinstance(outcome, VENDOR_FAULTS) and self._suspect(lane.queue[0], outcome, alone=alone)
            if type(outcome) not in faults and not self._is_expected(lane.queue[0], outcome):
                self._report(lane.queue[0], outcome, other_in_flight, repeat=repeat)
            if isinstance(outcome, VENDOR_FAULTS):
                faults.add(type(outcome))  # a vendor's fault counts once a flight, however many records it carried
            self._settle_one(lane, outcome, alone=alone)
        self._relieve()

    def _suspect(self, entry: Entry, outcome: VendorFault, *, alone: bool) -> bool:
        """Hold the fault against the order, too; returns whether it has met one since the last delivery."""
        now, before = self._context.monotonic(), entry.suspicion
        if before is None:
            entry.suspicion = Suspicion(now, now)
        else:
            of_account = isinstance(outcome, Throttled) and outcome.status is None  # such as a budget that is spent
            held = alone and isinstance(outcome, Throttled | Denied) and not of_account  # others count as attempts
            entry.suspicion = before.again(now, delivered_at=self._delivered_at, alone=held)
        entry.goes_alone |= isinstance(outcome, Denied) or outcome.status == TOO_LARGE
        return before is not None and before.at >= self._delivered_at

    def _is_expected(self, entry: Entry, outcome: Outcome) -> bool:
        """It says nothing about the account, unless it was the gate's probe: a parked order is refused again, or an
        order is denied after others were delivered.
        """
        again = isinstance(outcome, Denied) and entry.suspicion is not None and entry.suspicion.alone > 0
        return self._gate.is_open and (again or (entry.replay and isinstance(outcome, Rejected)))

    def _report(self, entry: Entry, outcome: Outcome, other_in_flight: int, *, repeat: bool) -> None:
        gate, now, jitter = self._gate, self._context.monotonic(), self._context.jitter()
        if gate.is_open and isinstance(outcome, Delivered):  # it stays open: there is nothing to log
            gate.report(outcome, now, jitter)
            return
        was_open, one_order, reason = gate.is_open, gate.struck_one_order, gate.reason
        gate.report(outcome, now, jitter, other_in_flight=other_in_flight, repeat=repeat)
        if isinstance(outcome, Rejected | UnknownOrder) and gate.detail == outcome.detail:
            gate.detail = self._masked(entry, outcome.detail)  # of a suspect stream: everybody reads it
        if was_open and not gate.is_open:
            for lane in self._lanes:
                if lane.state is LaneState.READY:
                    lane.queue[0].span.waits(Wait.GATE)
        if gate.is_open and not was_open:
            self._stats.errors.clear(Part.VENDOR)
            self._gate_opened_at = self._gate_opened_at if one_order else now
            self._was_shut = WasShut(self._context.wall_ms(), "" if reason is None else reason.value)
        self.log_gate()

    def log_gate(self) -> None:
        """Log what has happened to the gate; to be called now and then, too: each minute that it is shut is logged."""
        now, gate = self._context.monotonic(), self._gate
        if not self._gate_log.has_changed(now):
            return
        waiting = sum(1 for lane in self._lanes if lane.queue)
        has_shut = self._gate_log.write(now, waiting)
        if has_shut and gate.reason is not None and gate.reason is not Reason.THROTTLED:
            self._failed(f"gate shut ({gate.reason.value}): {gate.detail}")

    def _failed(self, why: str) -> None:
        self._stats.errors.put(Part.VENDOR, why, self._context.wall_ms())

    def _settle_one(self, lane: Lane, outcome: Outcome, *, alone: bool) -> None:
        entry = lane.queue[0]
        match outcome:
            case Delivered():
                self._deliver(lane, entry, outcome)
            case Skipped():
                self._skip(lane, entry, outcome)
            case Throttled() | Denied():
                self._hold(lane, entry, outcome, alone=alone)
            case Unavailable() | Unknown():
                self._retry(lane, entry, outcome)
            case UnknownOrder():
                self._await_create(lane, entry, outcome)
            case Rejected():
                self._reject(lane, entry, outcome)
            case _:
                assert_never(outcome)

    def _deliver(self, lane: Lane, entry: Entry, outcome: Delivered) -> None:
        self._delivered_at = self._context.monotonic()
        self._stats.delivered += 1
        self._stats.errors.clear(Part.VENDOR)
        self._stats.duplicates_avoided += outcome.found
        self._stats.resends += entry.unknown and not outcome.found
        if outcome.note is not None:
            self.note(outcome.note)
        self._lanes.finish(lane)
        self._lanes.delivered_orders.add(entry.order_id)
        self._finisher.delivered(entry, outcome, self._delayed_by(entry))

    def _delayed_by(self, entry: Entry) -> str | None:
        """What the receipt of a delivered record says of its delay, as far as this process knows."""
        was_shut = entry.record.timestamp_ms < self._was_shut.opened_ms
        return f"gate shut meanwhile ({self._was_shut.reason})" if was_shut else None

    def note(self, note: str) -> None:
        """Count an anomaly of the vendor's; log each kind once."""
        if not self._stats.notes[note]:
            log.warning("vendor_response_anomaly", worker=self._context.spec.name, what=note)
        self._stats.notes[note] += 1

    def _skip(self, lane: Lane, entry: Entry, outcome: Skipped) -> None:
        self._stats.skipped[outcome.reason] += 1
        self._lanes.finish(lane)
        if entry.creates_order:  # a skipped status says nothing about its order's create
            self._lanes.delivered_orders.add(entry.order_id)
        self._finisher.skipped(entry, outcome)

    def _hold(self, lane: Lane, entry: Entry, outcome: Throttled | Denied, *, alone: bool) -> None:
        """The vendor's fault, for which no attempt is spent; or the order's own, when it alone meets it."""
        now, suspicion = self._context.monotonic(), entry.suspicion
        assert suspicion is not None, "it is held against the order first"
        entry.fault = outcome.why if isinstance(outcome, Throttled) else outcome.reason
        if isinstance(outcome, Denied):
            self._failed(outcome.reason)
        # A vendor that throttles all may throttle one order several times by chance, but not for so long.
        own_for_s = 0.0 if isinstance(outcome, Denied) else self._policy.give_up_after
        if suspicion.is_own_fault and now - suspicion.since >= own_for_s:
            self._lanes.finish(lane)
            detail = f"HTTP {outcome.status} for this order, others are taken"
            if isinstance(outcome, Denied):
                detail += f"; for all orders it would mean: {outcome.reason}"
            parking = Parking(ParkReason.REJECTED, self._masked(entry, detail), outcome.status, suspicion.times)
            self._finisher.park(entry, parking)
        elif alone and self._gate.is_open:
            entry.first_failed_at = suspicion.since if entry.first_failed_at is None else entry.first_failed_at
            self._wait(lane, now + suspicion.pause(self._context.jitter()))
        else:
            self._requeue(lane)

    def _retry(self, lane: Lane, entry: Entry, outcome: Unavailable | Unknown) -> None:
        now = self._context.monotonic()
        entry.fault = outcome.reason
        self._stats.retries += 1
        self._failed(outcome.reason)
        self._log_first(entry, outcome, now)
        if isinstance(outcome, Unknown):
            self._stats.unknown += 1
            entry.unknown = True
        if not self._gate.is_open:
            self._requeue(lane)  # the vendor's fault: the gate does the waiting, no attempt is spent
            return
        entry.attempts += 1
        if entry.first_failed_at is None:
            entry.first_failed_at = now
        # An outage is not the record's: only what has passed since the gate opened counts against it.
        age = now - max(entry.first_failed_at, self._gate_opened_at)
        if self._policy.gives_up(age=age, others_succeed=self._others_succeed(entry)):
            self._give_up(lane, entry, outcome)
        else:
            self._wait(lane, now + self._policy.delay(entry.attempts, self._context.jitter()))

    def _log_first(self, entry: Entry, outcome: Unavailable | Unknown, now: float) -> None:
        """The first failure since a delivery, at most one a minute: the gate shuts some seconds later, or never."""
        if self._logged_at <= self._delivered_at and now - self._logged_at >= AGAIN_AFTER_S and self._gate.is_open:
            self._logged_at = now
            name, status = self._context.spec.name, outcome.status
            log.warning("vendor_failing", worker=name, **about(entry), http_status=status, detail=outcome.reason)

    def _others_succeed(self, entry: Entry) -> bool:
        return entry.waiting_since is not None and self._delivered_at > entry.waiting_since

    def _give_up(self, lane: Lane, entry: Entry, outcome: Unavailable | Unknown) -> None:
        detail = self._masked(entry, f"gave up after {entry.attempts} attempts: {outcome.reason}")
        self._lanes.finish(lane)
        self._finisher.park(entry, Parking(ParkReason.GAVE_UP, detail, outcome.status, entry.attempts))

    def _await_create(self, lane: Lane, entry: Entry, outcome: UnknownOrder) -> None:
        """The create overtakes the waiting record; the vendor may also learn of the order from elsewhere."""
        now = self._context.monotonic()
        entry.attempts += 1
        if entry.unknown_order_since is None:
            entry.unknown_order_since = now
        until = entry.unknown_order_since
        if entry.wait_for_create:
            until += self._context.spec.unknown_order_wait
        if now >= until and self._gate.shut_by_suspicion:
            self._requeue(lane)  # a wrong account may know none of our orders: nothing further is parked
        elif now >= until:
            self._lanes.finish(lane)
            detail = self._masked(entry, outcome.detail)
            self._finisher.park(entry, Parking(ParkReason.UNKNOWN_ORDER, detail, outcome.status, entry.attempts))
        else:
            self._wait(lane, min(until, now + self._policy.delay(entry.attempts, self._context.jitter())), Wait.CREATE)

    def _reject(self, lane: Lane, entry: Entry, outcome: Rejected) -> None:
        if self._gate.shut_by_suspicion and not entry.replay:
            # A wrong account setting refuses every order alike: to park them all would empty the stream into
            # the parked topic. They wait, and each probe takes another order.
            self._requeue(lane)
            return
        entry.attempts += 1
        self._lanes.finish(lane)
        detail = self._masked(entry, outcome.detail)
        parking = Parking(
            ParkReason.REJECTED, detail, outcome.status, entry.attempts, blocks_following=outcome.blocks_following
        )
        self._finisher.park(entry, parking)

    def _requeue(self, lane: Lane) -> None:
        lane.queue[0].span.waits(Wait.LANE if self._gate.is_open else Wait.GATE)
        self._lanes.requeue(lane)

    def _wait(self, lane: Lane, until: float, wait: Wait = Wait.RETRY) -> None:
        lane.queue[0].span.waits(wait)
        self._lanes.wait(lane, until)

    def _relieve(self) -> None:
        """Park the record that has failed longest when waiting records use up their share of `max_unfinished`."""
        if self._lanes.waiting_records <= self._context.spec.max_unfinished * _RETRY_SHARE or not self._gate.is_open:
            return
        lane = self._lanes.oldest_waiting()
        if lane is None or not self._others_succeed(lane.queue[0]):
            return
        entry = lane.queue[0]
        self._lanes.take_waiting(lane)
        self._lanes.finish(lane)
        detail = "waiting records used up their share of max_unfinished while other orders succeeded"
        reason = ParkReason.GAVE_UP if entry.unknown_order_since is None else ParkReason.UNKNOWN_ORDER
        self._finisher.park(entry, Parking(reason, detail, None, entry.attempts))

    def _without_content(self, results: Sequence[tuple[Lane, Outcome]]) -> Sequence[tuple[Lane, Outcome]]:
        """The same without our secrets and the records' strings in the vendor's faults, which everybody reads.

        A vendor may repeat the record of one order in the fault that all orders of a flight share.
        """
        if not any(isinstance(outcome, VENDOR_FAULTS) for _, outcome in results):
            return results
        hidden = [self._context.credentials.secrets, *(self._content(lane.queue[0]) for lane, _ in results)]
        words = partial(redact, content=hidden, kept=self._kept)
        return [
            (lane, reworded(outcome, words) if isinstance(outcome, VENDOR_FAULTS) else outcome)
            for lane, outcome in results
        ]

    def _masked(self, entry: Entry, detail: str) -> str:
        return redact(detail, [self._context.credentials.secrets, self._content(entry)], self._kept)

    @property
    def _kept(self) -> Collection[str]:
        """Words that are no data of anybody, though a record may have them: states, and our variables' names."""
        return {*ORDER_STATES, *self._context.credentials.names.all_full}

    def _content(self, entry: Entry) -> Any:
        record = entry.record
        try:
            return self._context.codec.decode(record.topic, record.value or b"", record.headers).content
        except Undecodable:
            return None
