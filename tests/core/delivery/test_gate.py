"""A vendor's faults shut its gate; one probe at a time opens it; a refused stream is suspected, not parked."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workers.core.delivery.gate import Gate, GatePolicy, GateState, Reason
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

POLICY = GatePolicy(unavailable_in_a_row=3, suspect_after=5)
CHANCE = st.floats(0, 1, exclude_max=True)
AFTER = st.none() | st.floats(-10, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf])
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Delivered()),
    st.just(Skipped("nothing to send")),
    st.builds(Throttled, AFTER),
    st.just(Unavailable("refused")),
    st.just(Unknown("timed out")),
    st.just(Rejected("bad field")),
    st.just(UnknownOrder("never seen")),
    st.just(Denied("login")),
    st.just(Denied("key", 403)),
)
FAULT = Throttled, Unavailable, Unknown, Denied


class GateMachine(RuleBasedStateMachine):
    """Requests leave as the gate admits them and are answered in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(POLICY)
        self.now = 0.0
        self.under_way = 0  # requests
        self.refused = 0  # in a row, none delivered between
        self.failed = 0  # in a row, in the order of the answers
        self.denied = 0  # in a row, none delivered between
        self.proved = False  # something was delivered with the present key
        self.quiet_until = 0.0  # what the vendor asked for

    @rule(seconds=st.floats(0, 400))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def pass_time_until_it_may_probe(self) -> None:
        self.now = max(self.now, self.gate.until)

    @rule(wanted=st.integers(1, 6))
    def send(self, wanted: int) -> None:
        shut = self.gate.state is GateState.SHUT
        admitted = self.gate.admits(self.now, self.under_way)
        if shut and (self.now < self.gate.until or self.under_way):
            assert admitted == 0, "while shut, and while old requests are under way, none leaves"
        if self.gate.is_open:
            assert admitted == (max(0, 4 - self.under_way) if self.denied else None), "few leave while a denial is new"
            self.under_way += wanted if admitted is None else min(wanted, admitted)
        else:
            assert admitted == (0 if self.under_way or self.now < self.gate.until else 1)
            assert not admitted or self.now >= self.quiet_until, "a throttle is never shortened"
            self.under_way += admitted
            assert not admitted or self.under_way == 1, "one probe at a time"

    @precondition(lambda self: self.under_way)
    @rule(outcome=OUTCOMES, jitter=CHANCE)
    def answer(self, outcome: Outcome, jitter: float) -> None:
        before, until = self.gate.state, self.gate.until
        self.under_way -= 1
        self.gate.report(outcome, self.now, jitter, other_in_flight=self.under_way)
        self.failed *= not isinstance(outcome, Delivered | Rejected | UnknownOrder)
        self.failed += isinstance(outcome, Unavailable | Unknown)
        if before is GateState.OPEN and self.gate.reason is Reason.UNAVAILABLE:
            assert self.failed >= POLICY.unavailable_in_a_row, "a few failures shut nothing"
        self.refused = 0 if isinstance(outcome, Delivered) else self.refused + isinstance(outcome, Rejected)
        if isinstance(outcome, Throttled) and outcome.after is not None and outcome.after > 0:
            self.quiet_until = max(self.quiet_until, self.now + min(outcome.after, 300.0))
        if before is GateState.SHUT:
            assert self.gate.state is GateState.SHUT, "an answer to an earlier request opens nothing"
            assert self.gate.until >= until, "nor shortens the pause"
        if before is GateState.PROBING:
            self.check_probe(outcome)
        if isinstance(outcome, Delivered):
            self.proved, self.denied = True, 0
        self.denied += isinstance(outcome, Denied)
        if isinstance(outcome, Throttled) or (isinstance(outcome, Denied) and outcome.is_of_account):
            assert self.gate.state is GateState.SHUT
        if isinstance(outcome, Denied) and self.gate.is_open:
            assert self.proved, "a key that has delivered nothing is refused by one answer"
            assert self.denied == 1 or self.under_way, "a second denial in a row shuts it when no answer is awaited"

    def check_probe(self, outcome: Outcome) -> None:
        if isinstance(outcome, Delivered):
            assert self.gate.is_open
        elif isinstance(outcome, FAULT) or (self.refused >= 5 and not isinstance(outcome, Skipped)):
            assert self.gate.state is GateState.SHUT
        elif isinstance(outcome, Rejected | UnknownOrder):
            assert self.gate.is_open, "it works: what is refused is this record"

    @rule()
    def change_the_key(self) -> None:
        """A new key: a shut gate probes as soon as the vendor's own wish allows."""
        shut, self.proved = self.gate.state is GateState.SHUT, False
        self.gate.try_now(self.now)
        assert not shut or self.gate.until <= self.now or self.gate.until <= self.now + 300.0

    @invariant()
    def its_state_reads_true(self) -> None:
        assert self.gate.is_open == (self.gate.state is GateState.OPEN) == (self.gate.reason is None)
        assert self.gate.shut_by_suspicion == (self.refused >= 5)
        assert not (self.gate.is_open and self.gate.shut_by_suspicion)
        assert self.gate.until <= self.now + 300.0, "no pause is longer than five minutes"
        assert (self.gate.shut_at is None) == self.gate.is_open
        assert self.gate.shut_at is None or self.gate.shut_at <= self.now


GateMachine.TestCase.settings = settings(stateful_step_count=40)
TestGate = GateMachine.TestCase


def shut_by(*outcomes: Outcome, at: float = 0.0) -> Gate:
    gate = Gate(POLICY)
    for outcome in outcomes:
        gate.report(outcome, at, 0.5)
    return gate


def probe(gate: Gate, outcome: Outcome, jitter: float = 0.5) -> float:
    """Send the next probe as early as allowed, answer it, and return how long the pause had been from then."""
    now = gate.until
    assert gate.admits(now, 0) == 1
    gate.report(outcome, now, jitter)
    return gate.until - now


@given(after=AFTER, jitter=CHANCE)
def test_a_throttle_holds_as_long_as_asked_and_at_most_five_minutes(after: float | None, jitter: float) -> None:
    """Zero, a date gone by and what is no number say nothing: the gate's own pause then."""
    gate = Gate(POLICY)
    gate.report(Throttled(after), 100.0, jitter)
    if after is not None and after > 0:
        assert gate.until == 100.0 + min(after, 300.0)
    else:
        assert 100.0 < gate.until <= 100.5
    assert gate.admits(gate.until, 0) == 1


@pytest.mark.parametrize("later", [Throttled(1), Throttled(None), Denied("key"), Unavailable("x"), Delivered()])
def test_late_answers_do_not_shorten_a_throttle(later: Outcome) -> None:
    gate = shut_by(Throttled(200))
    for _ in range(20):
        gate.report(later, 1.0, 0.0)
    assert gate.until == 200.0


def test_a_late_throttle_makes_the_pause_longer() -> None:
    gate = shut_by(Throttled(10))
    gate.report(Throttled(30), 5.0, 0.0)
    assert gate.until == 35.0


def test_a_new_key_ends_a_denied_pause_and_no_throttle() -> None:
    gate = shut_by(Denied("key"))
    gate.try_now(1.0)
    assert gate.admits(1.0, 0) == 1
    gate = shut_by(Denied("key"), Throttled(100))
    gate.try_now(1.0)
    assert gate.admits(99.0, 0) == 0
    assert gate.admits(100.0, 0) == 1


def test_a_few_vendor_faults_leave_the_gate_open_and_an_answer_resets_the_count() -> None:
    gate = shut_by(Unavailable("x"), Unknown("y"), Delivered(), Unavailable("x"), Unknown("y"))
    assert gate.is_open
    gate.report(Unavailable("down"), 0.0, 0.5)
    assert (gate.state, gate.reason, gate.detail) == (GateState.SHUT, Reason.UNAVAILABLE, "down")


@given(failing=st.integers(0, 300), others=st.integers(0, 300))
def test_it_shuts_when_all_that_were_under_way_failed_and_no_sooner(failing: int, others: int) -> None:
    """Failures come back sooner than deliveries do: of a burst, those still under way may yet be delivered."""
    gate = Gate(POLICY)
    for left in range(failing):
        gate.report(Unavailable("x"), 0.0, 0.5, other_in_flight=max(0, others - left))
    assert gate.is_open == (failing < max(POLICY.unavailable_in_a_row, others + 1))


def test_one_denied_answer_shuts_it_whatever_came_before() -> None:
    gate = shut_by(Delivered(), Denied("the key is refused"))
    assert (gate.reason, gate.detail) == (Reason.DENIED, "the key is refused")
    assert gate.until >= 2.5


@pytest.mark.parametrize("others", [0, 1, 5])
def test_a_key_that_has_delivered_is_refused_when_all_that_were_under_way_are_denied(others: int) -> None:
    """One denied answer may be about one order's text; a firewall may deny some orders of many at once."""
    gate = shut_by(Delivered())
    for left in range(max(2, others + 1)):
        assert gate.is_open
        gate.report(Denied("the key is refused", 403), 0.0, 0.5, other_in_flight=max(0, others - left))
    assert (gate.state, gate.reason) == (GateState.SHUT, Reason.DENIED)
    gate = shut_by(Delivered(), *[one for _ in range(9) for one in (Denied("key", 403), Delivered())])
    assert gate.is_open, "others are taken"


@pytest.mark.parametrize("fault", [Denied("firewall", 403), Unavailable("HTTP 500", 500)])
def test_a_gate_that_one_order_shut_asks_another_one_at_once(fault: Outcome) -> None:
    gate = shut_by(Delivered())
    for number in range(5):
        gate.report(fault, 0.0, 0.5, repeat=number > 0)
    assert gate.struck_one_order
    gate.ask_another(1.0)
    assert gate.admits(1.0, 0) == 1
    gate.report(fault, 1.0, 0.5)
    assert not gate.struck_one_order, "two orders met it: it is the vendor's"
    assert not gate.is_open


def test_the_gravest_of_late_answers_is_the_reason_shown() -> None:
    """An operator must see that the key is refused, though other requests were throttled at the same moment."""
    assert shut_by(Denied("key"), Throttled(5)).reason is Reason.DENIED
    assert shut_by(Throttled(5), Denied("key")).reason is Reason.DENIED


def test_many_late_answers_count_as_one_pause() -> None:
    """Sixty requests under way that fail together must not drive the next pause to its longest."""
    gate = shut_by(*(one for _ in range(30) for one in (Throttled(1), Denied("key"))))
    assert probe(gate, Unavailable("x"), jitter=0.99) <= 1.0


@pytest.mark.parametrize(("outcome", "first", "longest"), [(Unavailable("x"), 0.5, 10.0), (Denied("x"), 5.0, 60.0)])
def test_pauses_double_up_to_the_longest(outcome: Outcome, first: float, longest: float) -> None:
    gate = shut_by(*[outcome] * 3)
    pauses = [gate.until, *(probe(gate, outcome) for _ in range(12))]
    ceilings = [min(longest, first * 2**step) for step in range(13)]
    assert pauses == pytest.approx([ceiling * 0.75 for ceiling in ceilings])


def test_a_delivery_in_between_resets_the_pauses() -> None:
    gate = shut_by(*[Unavailable("x")] * 3)
    for _ in range(6):
        probe(gate, Unavailable("x"))
    probe(gate, Delivered())
    now = gate.until
    for _ in range(3):
        gate.report(Unavailable("x"), now, 0.5)
    assert gate.until - now <= 0.5


@given(between=st.lists(OUTCOMES.filter(lambda one: not isinstance(one, Delivered | Rejected)), max_size=8))
def test_nothing_but_a_delivery_resets_the_count_of_refusals(between: list[Outcome]) -> None:
    gate = shut_by(*[Rejected("no")] * 4, *between)
    assert not gate.shut_by_suspicion
    gate.report(Rejected("no"), 1.0, 0.5)
    assert gate.shut_by_suspicion
    assert not gate.is_open


def test_a_delivery_in_time_keeps_the_gate_open() -> None:
    gate = shut_by(*[Rejected("no")] * 4, Delivered(), *[Rejected("no")] * 4)
    assert gate.is_open


@pytest.mark.parametrize("answer", [Rejected("no"), UnknownOrder("?"), Unavailable("x"), Throttled(1), Denied("key")])
def test_a_suspected_stream_stays_suspected_until_something_is_delivered(answer: Outcome) -> None:
    """In a wrong account every status is of an unknown order: such an answer proves nothing."""
    gate = shut_by(*[Rejected("wrong account")] * 5)
    assert gate.reason is Reason.SUSPECT
    probe(gate, answer)
    assert gate.shut_by_suspicion
    assert gate.state is GateState.SHUT
    probe(gate, Delivered())
    assert gate.is_open
    assert not gate.shut_by_suspicion


def test_no_probe_leaves_before_the_old_requests_are_answered() -> None:
    """Else a late delivery would be taken for the probe's and open the gate of a vendor that is down."""
    gate = shut_by(*[Unavailable("x")] * 3)
    assert gate.admits(100.0, 2) == 0
    gate.report(Delivered(), 100.0, 0.5)
    assert not gate.is_open
    assert gate.admits(100.0, 0) == 1
    assert gate.admits(100.0, 1) == 0


def test_a_probe_that_had_nothing_to_send_is_followed_by_another() -> None:
    gate = shut_by(Throttled(1))
    assert gate.admits(1.0, 0) == 1
    gate.report(Skipped("nothing to send"), 1.0, 0.5)
    assert gate.admits(1.0, 0) == 1


def test_its_repr_says_why_and_until_when() -> None:
    assert repr(shut_by(Throttled(2))) == "<Gate shut reason=throttled until=2.000>"


def test_a_longer_throttle_than_the_cap_says_how_often_it_is_asked_again() -> None:
    assert shut_by(Throttled(3600.0)).detail.endswith("for 60 min; one request asks again every 5 min")
    assert shut_by(Throttled(7.0)).detail.endswith("alone for 7.0 s")
