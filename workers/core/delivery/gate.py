"""The gate: a circuit breaker for one vendor. Open, or shut until a time, then probed with one request (half-open).

Vendor faults (down, throttled, our key refused, everything refused) shut the
gate: nothing is parked, no attempt is spent, Kafka is the buffer. Only a probe
opens it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from workers.core.counted import lasting
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


class GateState(Enum):
    """How many requests the vendor may have now: all, none, or one."""

    OPEN = "open"
    SHUT = "shut"
    PROBING = "probing"


class Reason(Enum):
    """Why the gate is not open (the circuit breaker's reason), the gravest last."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    SUSPECT = "suspect"
    DENIED = "denied"


LEAST_DENIALS: Final = 2  # in a row, of a key that has just delivered
DOUBTFUL_AT_ONCE: Final = 4  # requests, from a denial to the next delivery
_GRAVITY = {reason: place for place, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """When the gate shuts, and for how long, in seconds."""

    unavailable_in_a_row: int = 10
    suspect_after: int = 50
    throttle_cap: float = 300.0
    first_pause: float = 0.5
    longest_pause: float = 10.0  # a vendor that works again is found so soon, whatever a record's own retries wait
    denied_first_pause: float = 5.0
    denied_longest_pause: float = 60.0


class Gate:
    """The running state of one vendor's gate. Time and chance come in as arguments."""

    def __init__(self, policy: GatePolicy) -> None:
        self._policy = policy
        self.state = GateState.OPEN
        self.reason: Reason | None = None
        self.detail = ""
        self.until = 0.0
        self.shut_at: float | None = None  # when it left `OPEN`
        self._throttled_until = 0.0  # from Retry-After; never shortened
        self._pauses = 0  # in a row without an opening between
        self._failures = 0  # vendor faults in a row
        self._shut_after = policy.unavailable_in_a_row
        self._refused = 0  # records refused in a row, none delivered between
        self._proved = False  # something was delivered with the present key
        self._denials = 0  # in a row, none delivered between
        self._denied_after = 1
        self._struck = 0  # orders that met a vendor's fault, none delivered between

    @property
    def shut_by_suspicion(self) -> bool:
        """So many records were refused in a row that our set-up may be wrong: park nothing, whatever else shut it."""
        return self._refused >= self._policy.suspect_after

    @property
    def is_open(self) -> bool:
        return self.state is GateState.OPEN

    @property
    def struck_one_order(self) -> bool:
        """Only one order has met what shut it, and others were delivered before: another order's probe tells whose
        fault it is, and need not wait.
        """
        one = self._proved and self._struck <= 1
        return one and not self.is_open and self.reason in {Reason.DENIED, Reason.UNAVAILABLE}

    @property
    def gravity(self) -> int:
        """How grave is why it is not open; -1: it is open."""
        return -1 if self.reason is None else _GRAVITY[self.reason]

    def admits(self, now: float, in_flight: int) -> int | None:
        """How many more requests may leave now; None: any number."""
        if self.state is GateState.OPEN:
            # A key that was refused must not be tried by hundreds before the answers tell whether it was.
            return max(0, DOUBTFUL_AT_ONCE - in_flight) if self._denials else None
        if self.state is GateState.SHUT and now >= self.until and not in_flight:
            self.state = GateState.PROBING  # nothing else is under way: no late answer can be taken for the probe's
        if self.state is GateState.PROBING and not in_flight:
            return 1
        return 0

    def report(
        self, outcome: Outcome, now: float, jitter: float, *, other_in_flight: int = 0, repeat: bool = False
    ) -> None:
        """Take note of one record's outcome.

        ``other_in_flight``: requests that are still under way; ``repeat``: the order has met a vendor's fault before,
        and nothing was delivered since.
        """
        match outcome:
            case Delivered():
                self._refused = self._failures = self._denials = self._struck = 0
                self._proved = True
                self._answered()
            case Skipped():
                pass
            case UnknownOrder():
                self._failures = 0
                self._refuse_or_answer(self.detail, now, jitter)
            case Rejected(detail=detail):
                self._failures = 0
                self._refused += 1  # only a delivery resets it
                self._refuse_or_answer(detail, now, jitter)
            case Throttled(after=after, why=why):
                self._throttle(after, why, now, jitter)
            case Unavailable(reason=reason) | Unknown(reason=reason):
                self._struck += not repeat
                self._fail(reason, now, jitter, other_in_flight)
            case Denied():
                self._struck += not repeat
                self._deny(outcome, now, jitter, other_in_flight)
            case _:
                assert_never(outcome)

    def try_now(self, now: float) -> None:
        """Our set-up has changed (a new key): probe at once, unless the vendor asked for a pause."""
        self._proved = False
        self.ask_another(now)

    def ask_another(self, now: float) -> None:
        """Probe at once, unless the vendor asked for a pause."""
        if self.state is GateState.SHUT:
            self.until = min(self.until, max(now, self._throttled_until))
            self._pauses = 0

    def _answered(self) -> None:
        """The vendor answered a probe: the gate opens."""
        if self.state is GateState.PROBING:
            self.state, self.reason, self.detail = GateState.OPEN, None, ""
            self.shut_at = None
            self._pauses = self._failures = 0

    def _refuse_or_answer(self, detail: str, now: float, jitter: float) -> None:
        """The vendor works and refuses one record; or it refuses all, which only a delivery disproves."""
        if self.shut_by_suspicion:
            self._shut(Reason.SUSPECT, detail, now, self._pause(jitter))
        else:
            self._answered()

    def _throttle(self, after: float | None, why: str, now: float, jitter: float) -> None:
        pause, detail = self._pause(jitter), why
        if after is not None and after > 0.0:  # zero, a past date and NaN carry no information
            pause, detail = min(after, self._policy.throttle_cap), f"{detail} for {lasting(after)}"
            if after > pause:
                # A mistaken header must not stop all orders for a day, and a quota may be raised: one request asks.
                detail += f"; one request asks again every {lasting(pause)}"
        self._shut(Reason.THROTTLED, detail, now, pause)
        self._throttled_until = max(self._throttled_until, now + pause)
        self.until = max(self.until, self._throttled_until)

    def _fail(self, reason: str, now: float, jitter: float, other_in_flight: int) -> None:
        self._failures += 1
        if self._failures == 1:
            # Failures come back sooner than deliveries. If the gate did not wait for the requests under way, each burst
            # to a vendor that loses one answer in five would shut it.
            self._shut_after = max(self._policy.unavailable_in_a_row, other_in_flight + 1)
        if self.state is GateState.PROBING or (self.state is GateState.OPEN and self._failures >= self._shut_after):
            self._shut(Reason.UNAVAILABLE, reason, now, self._pause(jitter))

    def _deny(self, outcome: Denied, now: float, jitter: float, other_in_flight: int) -> None:
        """A key that has just delivered may still be good: one order's text can be what a firewall denies.

        The next denial tells, or the answers that are under way do: a refused key is refused for them all.
        """
        self._denials += 1
        if self._denials <= LEAST_DENIALS:
            self._denied_after = LEAST_DENIALS + other_in_flight if self._proved else 1
        if outcome.is_of_account or self.state is not GateState.OPEN or self._denials >= self._denied_after:
            self._shut(Reason.DENIED, outcome.reason, now, self._pause(jitter, denied=True))

    def _shut(self, reason: Reason, detail: str, now: float, pause: float) -> None:
        if self.state is GateState.SHUT:
            # Late answers of requests sent before it shut: only a graver reason replaces the present one.
            if self.reason is not None and _GRAVITY[reason] <= _GRAVITY[self.reason]:
                return
        else:
            self._pauses += 1
        if self.state is GateState.OPEN:
            self.shut_at = now
        self.state, self.reason, self.detail = GateState.SHUT, reason, detail
        self.until = max(self.until, now + pause)

    def _pause(self, jitter: float, *, denied: bool = False) -> float:
        policy = self._policy
        first = policy.denied_first_pause if denied else policy.first_pause
        longest = policy.denied_longest_pause if denied else policy.longest_pause
        ceiling = min(longest, first * 2.0 ** min(self._pauses, 30))
        return ceiling * (0.5 + jitter / 2)

    def __repr__(self) -> str:
        return f"<Gate {self.state.value} reason={self.reason and self.reason.value} until={self.until:.3f}>"
