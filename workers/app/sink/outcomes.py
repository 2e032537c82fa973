"""What the worker does with each outcome: finish, try again, wait, or park."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

from workers.app.sink.state import SinkState
from workers.core.consume.lanes import Entry, Lane
from workers.core.delivery.gate import GateState
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
)
from workers.core.delivery.retry import RetryPolicy
from workers.core.delivery.tracked_order import Mark
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking
from workers.core.redaction import redact
from workers.edges.avro.codec import Codec
from workers.edges.avro.reader import Undecodable
from workers.edges.log import log

_RETRY_SHARE = 0.5  # of the window may wait for a retry: the rest stays free for orders that can go


class Outcomes:
    """Finishes, retries or parks each record after its flight, and tells the gate."""

    def __init__(
        self,
        state: SinkState,
        codec: Codec,
        *,
        park: Callable[[Entry, Parking], None],
        delivered: Callable[[Entry, Mark | None], bool],
    ) -> None:
        """``delivered`` is told of every delivery before it finishes; True: it finishes the record itself, later."""
        self._state = state
        self._codec = codec
        self._park = park
        self._delivered = delivered
        retry = state.spec.retry
        self._opened_at = float("-inf")  # the gate, last
        self._policy = RetryPolicy(first=retry.first, max=retry.max, give_up_after=retry.give_up_after)

    def settle(self, results: Sequence[tuple[Lane, Outcome]]) -> None:
        """Act on the outcomes of one flight."""
        faults: set[type[Outcome]] = set()
        # Deliveries first: refusals beside them in one request are those orders' own fault, not the account's.
        for lane, outcome in sorted(results, key=lambda result: not isinstance(result[1], Delivered)):
            if type(outcome) not in faults and not self._is_no_news(lane.queue[0], outcome):
                self._report(outcome)
            if isinstance(outcome, Throttled | Unavailable | Unknown | Denied):
                faults.add(type(outcome))  # a vendor's fault counts once a flight, however many records it carried
            self._one(lane, outcome)
        self._relieve()

    def _is_no_news(self, entry: Entry, outcome: Outcome) -> bool:
        """A parked order that is refused again says nothing of the account, unless it was the gate's probe."""
        return entry.replay and isinstance(outcome, Rejected) and self._state.gate.is_open

    def _report(self, outcome: Outcome) -> None:
        gate = self._state.gate
        was = gate.state, gate.reason
        beside = self._state.in_flight - 1
        gate.report(outcome, self._state.monotonic(), self._state.jitter(), beside=beside)
        if (gate.state, gate.reason) != was:
            self._say_gate(was[0])

    def _say_gate(self, was: GateState) -> None:
        gate, name = self._state.gate, self._state.spec.name
        reason = None if gate.reason is None else gate.reason.value
        if gate.is_open:
            self._opened_at = self._state.monotonic()
            log.info("gate_opened", worker=name)
        elif was is GateState.OPEN:  # once for each time it shuts; probes that fail say nothing new
            self._state.stats.last_error = f"gate shut ({reason}): {gate.detail}"
            log.error("gate_shut", worker=name, reason=reason, detail=gate.detail)

    def _one(self, lane: Lane, outcome: Outcome) -> None:
        entry = lane.queue[0]
        match outcome:
            case Delivered():
                self._deliver(lane, entry, outcome)
            case Skipped(reason=reason, supersedes=supersedes):
                self._state.stats.skipped[reason] += 1
                self._skip(lane, entry, supersedes=supersedes)
            case Throttled() | Denied():
                self._state.lanes.again(lane)  # the vendor's fault: no attempt is spent
            case Unavailable() | Unknown():
                self._retry(lane, entry, outcome)
            case UnknownOrder():
                self._await_create(lane, entry, outcome)
            case Rejected():
                self._reject(lane, entry, outcome)
            case _:
                assert_never(outcome)

    def _deliver(self, lane: Lane, entry: Entry, outcome: Delivered) -> None:
        stats = self._state.stats
        stats.delivered += 1
        stats.delivered_at = self._state.monotonic()
        stats.duplicates_avoided += outcome.found
        stats.resends += entry.unknown and not outcome.found
        self._state.lanes.finish(lane)
        if not self._delivered(entry, outcome.mark):
            self._state.finish(entry)

    def _skip(self, lane: Lane, entry: Entry, *, supersedes: bool) -> None:
        self._state.lanes.finish(lane)
        if not ((entry.replay or supersedes) and self._delivered(entry, None)):  # a parked record is done with, too
            self._state.finish(entry)

    def _retry(self, lane: Lane, entry: Entry, outcome: Unavailable | Unknown) -> None:
        state, now = self._state, self._state.monotonic()
        state.stats.retries += 1
        state.stats.last_error = outcome.reason
        if isinstance(outcome, Unknown):
            state.stats.unknown += 1
            entry.unknown = True
        if not state.gate.is_open:
            state.lanes.again(lane)  # the vendor's fault: the gate does the waiting, no attempt is spent
            return
        entry.attempts += 1
        if entry.first_failed_at is None:
            entry.first_failed_at = now
        # An outage is not the record's: only what has passed since the gate opened counts against it.
        age = now - max(entry.first_failed_at, self._opened_at)
        if self._policy.gives_up(age=age, others_succeed=self._others_succeed(entry)):
            self._give_up(lane, entry, outcome)
        else:
            state.lanes.wait(lane, now + self._policy.delay(entry.attempts, state.jitter()))

    def _others_succeed(self, entry: Entry) -> bool:
        last, since = self._state.stats.delivered_at, entry.waiting_since
        return last is not None and since is not None and last > since

    def _give_up(self, lane: Lane, entry: Entry, outcome: Unavailable | Unknown) -> None:
        detail = self._masked(entry, f"gave up after {entry.attempts} attempts: {outcome.reason}")
        self._state.lanes.finish(lane)
        self._park(entry, Parking(ParkReason.GAVE_UP, detail, outcome.status, entry.attempts))

    def _await_create(self, lane: Lane, entry: Entry, outcome: UnknownOrder) -> None:
        """The create overtakes it meanwhile; the vendor may also learn of the order from elsewhere."""
        state, now = self._state, self._state.monotonic()
        entry.attempts += 1
        if entry.unknown_order_since is None:
            entry.unknown_order_since = now
        until = entry.unknown_order_since + state.spec.unknown_order_wait
        if now >= until and state.gate.shut_by_suspicion:
            state.lanes.again(lane)  # a wrong account may know none of our orders: nothing further is parked
        elif now >= until:
            state.lanes.finish(lane)
            detail = self._masked(entry, outcome.detail)
            self._park(entry, Parking(ParkReason.UNKNOWN_ORDER, detail, outcome.status, entry.attempts))
        else:
            state.lanes.wait(lane, min(until, now + self._policy.delay(entry.attempts, state.jitter())))

    def _reject(self, lane: Lane, entry: Entry, outcome: Rejected) -> None:
        if self._state.gate.shut_by_suspicion and not entry.replay:
            # A wrong account setting refuses every order alike: to park them all would empty the stream into
            # the parked topic. They wait, and each probe takes another order.
            self._state.lanes.again(lane)
            return
        entry.attempts += 1
        self._state.lanes.finish(lane)
        detail = self._masked(entry, outcome.detail)
        parking = Parking(
            ParkReason.REJECTED, detail, outcome.status, entry.attempts, blocks_following=outcome.blocks_following
        )
        self._park(entry, parking)

    def _relieve(self) -> None:
        """Park the record that has failed longest when waiting records use up their share of the window."""
        state = self._state
        if state.lanes.waiting_records <= state.spec.max_unfinished * _RETRY_SHARE or not state.gate.is_open:
            return
        lane = state.lanes.oldest_waiting()
        if lane is None or not self._others_succeed(lane.queue[0]):
            return
        entry = lane.queue[0]
        state.lanes.take_waiting(lane)
        state.lanes.finish(lane)
        detail = "waiting records used up their share of max_unfinished while other orders succeeded"
        reason = ParkReason.GAVE_UP if entry.unknown_order_since is None else ParkReason.UNKNOWN_ORDER
        self._park(entry, Parking(reason, detail, None, entry.attempts))

    def _masked(self, entry: Entry, detail: str) -> str:
        return redact(detail, self._content(entry))

    def _content(self, entry: Entry) -> Any:
        try:
            return self._codec.decode(entry.record.topic, entry.record.value or b"").content
        except Undecodable:
            return None
