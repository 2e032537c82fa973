"""One look at a worker tells whether something is wrong, and which command tells more."""

from dataclasses import replace
from typing import Any

import pytest

from workers.app.events.stop_log import stop_text
from workers.app.inspect.running.answers import Answer
from workers.app.inspect.running.look import look_of, rate

ANSWER = Answer("relay-0:8080", "relay-0", {})
OPEN = {"state": "open", "reason": None, "detail": None, "since": None}
SINK: dict[str, Any] = {
    "kind": "sink", "state": "running", "delivered_total": 10, "skipped_total": 1, "parked_total": 2,
    "lag_records": 3, "lag_known": True, "oldest_unfinished_seconds": 4.0, "in_flight": 5, "parked_orders": 2,
    "gate": OPEN, "kafka": {"state": "up", "since": "S", "detail": None}, "last_error": None,
    "loop_age_seconds": 0.1, "stalled_seconds": 0.0, "partitions": [], "parked_full": 0, "parked_records": 2,
}  # fmt: skip
SHUT = {"state": "shut", "reason": "denied", "detail": "HTTP 401: ECDP refuses the API key", "since": "S"}
HALF_MADE = {
    "half_made_orders": 3, "half_made_oldest_seconds": 49 * 3600.0, "half_made_life_seconds": 72 * 3600.0,
    "half_made_oldest_order": "A-1",
}  # fmt: skip


def test_a_worker_that_works_has_its_numbers_and_no_fault() -> None:
    look = look_of("ecdp-sink", SINK, ANSWER)
    assert (look.done, look.lag, look.oldest_s, look.in_flight, look.parked) == (13, 3, 4.0, 5, 2)
    assert look.faults == ()


def test_a_lag_by_an_old_end_is_not_known() -> None:
    assert look_of("ecdp-sink", SINK | {"lag_known": False}, ANSWER).lag is None


def test_a_poller_shows_what_it_has_published_and_how_far_it_is_behind() -> None:
    look = look_of(
        "dcl-poller", {"kind": "poller", "state": "running", "events_total": 7, "behind_seconds": 9.5}, ANSWER
    )
    assert (look.done, look.oldest_s, look.lag, look.parked, look.faults) == (7, 9.5, None, None, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gate": SHUT}, "gate shut (denied) since S: HTTP 401"),
        ({"last_error": "no answer within 30 s", "last_error_at": "T"}, "no answer within 30 s (at T)"),
        ({"kafka": {"state": "down", "since": "S", "detail": "refused"}}, "Kafka down since S: refused"),
        ({"state": "starting"}, "has not joined"),
        ({"loop_age_seconds": 61.0}, "stuck for 61 s"),
        ({"loop_age_seconds": None}, "stuck for good"),
        ({"stalled_seconds": 130.0}, "has not moved for 130 s"),
        ({"parked_full": 1}, "max_parked"),
        (HALF_MADE, "order A-1 has been half made at the vendor for 49 h, which keeps it for 72 h; 2 others too"),
        ({"parked_full_orders": 2}, "2 orders at max_parked_per_order"),
        ({"oldest_unfinished_seconds": 1300.0}, "has waited for 1,300 s"),
        ({"budget_left_requests": 99, "budget_limit_requests": 1000}, "99 of 1,000 requests"),
        ({"gate": SHUT | {"reason": "throttled", "shut_seconds": 601.0}}, "gate shut (throttled)"),
    ],
)
def test_what_is_wrong_is_said_once(change: dict[str, Any], said: str) -> None:
    (fault,) = look_of("ecdp-sink", SINK | change, ANSWER).faults
    assert said in fault.what
    assert fault.command


@pytest.mark.parametrize(
    ("reason", "following"),
    [("denied", "relay check ecdp-sink"), ("suspect", "relay parked list --sink ecdp-sink")],
)
def test_a_shut_gate_leads_to_the_command_that_shows_its_cause(reason: str, following: str) -> None:
    (fault,) = look_of("ecdp-sink", SINK | {"gate": SHUT | {"reason": reason}}, ANSWER).faults
    assert fault.command == following


def test_an_order_is_half_made_for_long_when_two_thirds_of_its_life_are_over() -> None:
    begun = {"half_made_oldest_seconds": 48 * 3600.0}
    assert look_of("komet-sink", SINK | HALF_MADE | begun, ANSWER).faults == ()
    never = {"half_made_life_seconds": None}
    assert look_of("ecdp-sink", SINK | HALF_MADE | never, ANSWER).faults == ()


def test_a_vendor_that_asked_for_a_pause_is_no_fault() -> None:
    paused = {"gate": SHUT | {"reason": "throttled", "shut_seconds": 599.0}, "oldest_unfinished_seconds": 1300.0}
    assert look_of("ecdp-sink", SINK | paused, ANSWER).faults == ()


def test_a_poller_that_is_behind_by_more_than_its_beat_and_half_an_hour_is_a_fault() -> None:
    poller = {"kind": "poller", "state": "running", "behind_seconds": 4000.0}
    (fault,) = look_of("dcl-poller", poller, ANSWER).faults
    assert fault.what == "the vendor's changes of the last 4,000 s are not published"
    beats = {"invoices": 60, "inventory": 3600}
    sets = {name: {"behind_seconds": 4000.0, "beat_seconds": every, "gate": OPEN} for name, every in beats.items()}
    (fault,) = look_of("komet-poller", poller | {"sets": sets}, ANSWER).faults
    assert fault.what.startswith("invoices: ")


def test_a_process_whose_loop_does_not_answer_says_since_when() -> None:
    known = {"kind": "sink", "state": "running", "loop_age_seconds": 12.0}
    (fault,) = look_of("ecdp-sink", known, replace(ANSWER, fault="the loop does not answer")).faults
    assert fault.what == "the loop does not answer; it last moved 12 s ago"


def test_partitions_that_stopped_for_one_reason_are_one_fault() -> None:
    """The worker's last error is that of the partition that stopped last: it is not a second fault."""
    rows = [{"topic": "order-created", "partition": number, "stopped": "expired"} for number in range(12)]
    error = {"gate": OPEN, "last_error": stop_text("ecdp-sink", "order-created", [11], "expired")}
    (fault,) = look_of("ecdp-sink", SINK | {"partitions": rows} | error, ANSWER).faults
    assert fault.what == "12 partitions of order-created stopped (0-11): expired"
    assert fault.command == "relay offsets ecdp-sink"


def test_a_rate_is_what_was_done_between_two_looks_of_one_process() -> None:
    before = look_of("ecdp-sink", SINK, ANSWER)
    after = look_of("ecdp-sink", SINK | {"delivered_total": 40}, ANSWER)
    assert rate(before, after, 2.0) == 15.0
    assert rate(after, before, 2.0) is None  # it has restarted, and counts from 0
