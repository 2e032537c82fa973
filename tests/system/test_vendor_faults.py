"""A vendor that fails in every way it can: nothing is lost, nothing parked, the sequence kept; it goes on by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka_side import header
from tests.support.sink_process import Rig, order_ids, story
from tests.support.vendor import KEY
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.devkit.simulators.server import Answer, Received

pytestmark = pytest.mark.broker

REASON: dict[str, Callable[[dict[str, Any]], bool]] = {
    "unavailable": lambda status: status["gate"]["reason"] == "unavailable",
    "throttled": lambda status: status["gate"]["reason"] == "throttled",
    "some unknown": lambda status: status["unknown_total"] > 0,
}
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"down": True}, "unavailable"),
    ({"error_rate": 1.0}, "unavailable"),
    ({"throttle": 1}, "throttled"),
    ({"hang": 1.0}, "unavailable"),
    ({"reset_after": 0.5}, "some unknown"),
    ({"html_200": 1.0}, "unavailable"),
    ({"huge": 0.2}, "some unknown"),
]


def test_no_vendor_fault_loses_or_parks_a_record(make_rig: MakeRig) -> None:
    """One worker, one fault after the other under load; each is seen to have struck, and to be over."""
    rig = make_rig(3, REQUEST_TIMEOUT="1s", RETRY__MAX="500ms")
    relay = rig.start().joined()
    wanted: dict[str, list[str]] = {}
    for number, (knobs, sign) in enumerate(FAULTS):
        ids = order_ids(40, f"f{number}-")
        rig.vendor.faults(**knobs)
        rig.kafka.publish(ids, "paid", "completed")
        relay.wait(REASON[sign], f"{knobs} was not seen")
        assert relay.status()["parked_total"] == 0
        rig.vendor.well()
        wanted |= story(ids, "paid", "completed")
        status = relay.caught_up()
        assert status["gate"]["state"] == "open"
        assert status["parked_total"] == 0
    rig.assert_never_back()
    rig.assert_no_status_before_its_create()
    unknown = relay.status()["unknown_total"]
    rig.assert_each_has_one_end(wanted, repeats=unknown)
    assert len(relay.said("gate_shut")) == len(relay.said("gate_opened"))


def test_an_empty_answer_of_success_counts_as_delivered(rig: Rig) -> None:
    rig.vendor.faults(empty_200=1.0)
    relay = rig.start().joined()
    rig.kafka.publish(order_ids(5), "paid")
    assert relay.caught_up()["retries_total"] == 0
    rig.assert_each_has_one_end(story(order_ids(5), "paid"))


def test_a_refused_key_parks_nothing_and_a_changed_key_file_opens_the_gate(rig: Rig, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("wrong\n")
    relay = rig.start(ecdp_api_key="", ecdp_api_key_file=str(secret)).joined()
    ids = order_ids(30)
    rig.kafka.publish(ids, "paid")
    status = relay.wait(lambda status: status["gate"]["reason"] == "denied", "the gate never shut")
    assert status["parked_total"] == 0
    assert status["gate"]["until"]
    secret.write_text(f"{KEY}\n")
    status = relay.caught_up(10)
    assert status["gate"]["state"] == "open"
    assert status["parked_total"] == 0
    rig.assert_each_has_one_end(story(ids, "paid"))
    assert len(relay.said("gate_shut")) == 1
    assert "wrong" not in relay.text.replace("wrongly", "")
    assert KEY not in relay.text


def test_an_order_that_alone_keeps_failing_is_parked_as_given_up(rig: Rig) -> None:
    rig.vendor.faults(broken_ids=["poison"])
    relay = rig.start(RETRY__GIVE_UP_AFTER="1s", RETRY__FIRST="50ms", RETRY__MAX="200ms").joined()
    rig.kafka.publish(["poison", *order_ids(20)])
    number = 20

    def parked() -> bool:
        nonlocal number
        rig.kafka.publish([f"o{number:05}"])
        number += 1
        return bool(relay.status()["parked_by_reason"].get("gave-up") == 1)

    wait_for(parked, "it was never given up")
    relay.caught_up()
    (record,) = rig.kafka.all_parked()
    assert record.key == b"poison"
    assert header(record, "relay-reason") == "gave-up"
    assert header(record, "relay-http-status") == "500"
    assert int(header(record, "relay-attempts")) > 1
    rig.assert_each_has_one_end(story(order_ids(number)))


def test_an_order_that_a_firewall_denies_is_parked_and_the_others_go_on(rig: Rig) -> None:
    page = Answer(403, b"<html>Request blocked. Ref 7f3</html>", "text/html")
    rig.vendor.answer_by(lambda request, vendor: page if b"T-POISON" in request.body else vendor())
    relay = rig.start().joined()
    rig.kafka.publish(order_ids(20), "paid")
    relay.caught_up()
    rig.kafka.publish(["T-POISON"])
    number = 20

    def parked() -> bool:
        nonlocal number
        rig.kafka.publish([f"o{number:05}"])
        number += 1
        return bool(relay.status()["parked_total"] == 1)

    wait_for(parked, "it was never parked")
    relay.caught_up()
    (record,) = rig.kafka.all_parked()
    assert record.key == b"T-POISON"
    assert header(record, "relay-detail").startswith("HTTP 403 for this order, others are taken")
    assert relay.said("gate_shut") == []
    assert set(rig.vendor.by_order()) == set(order_ids(number))


def test_too_large_for_now_is_waited_for_and_nothing_is_parked(rig: Rig) -> None:
    """RFC 9110, 15.5.14: Retry-After makes a 413 temporary."""
    refused: list[bytes] = []

    def between(request: Received, vendor: Callable[[], Answer]) -> Answer:
        if len(refused) < 3:
            refused.append(request.body)
            return Answer(413, b'{"title": "Quota"}', retry_after_s=1)
        return vendor()

    rig.vendor.answer_by(between)
    relay = rig.start().joined()
    rig.kafka.publish(order_ids(20), "paid")
    relay.wait(REASON["throttled"], "the 413 was not taken for temporary")
    assert relay.caught_up()["parked_total"] == 0
    rig.assert_each_has_one_end(story(order_ids(20), "paid"))


def test_what_is_answered_about_one_order_alone_concerns_no_other(make_rig: MakeRig) -> None:
    """A success that says no, and a proxy's page where an id with a slash is looked up."""
    rig = make_rig(3, UNKNOWN_ORDER_WAIT="2s", RETRY__FIRST="50ms")
    said_no: list[bytes] = []

    def between(request: Received, vendor: Callable[[], Answer]) -> Answer:
        if request.method == "GET" and "%2F" in request.path:
            return Answer(404, b"<html>Not Found</html>", "text/html")
        if b'"no-at-first"' in request.body and len(said_no) < 3:
            said_no.append(request.body)
            return Answer(200, b'{"success":false,"message":"order not stored"}')
        return vendor()

    rig.vendor.answer_by(between)
    relay = rig.start().joined()
    ids = [*order_ids(50), "no-at-first"]
    rig.kafka.set("WEB/2026/0001", "paid")
    rig.kafka.publish(ids)
    status = relay.caught_up()
    assert (status["delivered_total"], status["parked_total"]) == (51, 1)
    rig.assert_each_has_one_end(story(ids))
    (record,) = rig.kafka.all_parked()
    assert header(record, "relay-reason") == "unknown-order"
    assert "the look-up was answered with a page (HTTP 404); the order id holds `/`" in header(record, "relay-detail")
    assert relay.said("gate_shut") == []


def test_a_refused_key_answered_with_403_shuts_the_gate_too(rig: Rig) -> None:
    rig.vendor.faults(deny=403)
    relay = rig.start().joined()
    rig.kafka.publish(order_ids(3))
    relay.wait(lambda status: status["gate"]["reason"] == "denied", "the gate never shut")
    assert rig.vendor.attempts <= 3
    rig.vendor.well()
    relay.caught_up(20)
    rig.assert_each_has_one_end(story(order_ids(3)))
