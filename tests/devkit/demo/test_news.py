"""The demo finds a change that was not told, told twice, or told of another order."""

from __future__ import annotations

from typing import Any

import pytest

from workers.app.config.specs import PollerSpec
from workers.devkit.demo.news import news_in
from workers.devkit.demo.samples import CREATED, read_samples
from workers.devkit.demo.start import own_mark

POLLER = PollerSpec(
    name="ecourier-poller", vendor="ecourier", publishes=("stages", "events"), state="s", credentials="ECOURIER"
)
THERE: dict[str, Any] = {
    "OR-1": {
        "@OrderStatus": "A",
        "OrderEvents": {
            "OrderEvent": [
                {"@OrderEventID": "1", "@EventType": "Order create"},
                {"@EventType": "Pickup", "@EventDateTime": "7/4/2026 9:30:00 AM", "@EventNote": "dock"},
            ]
        },
    }
}


def stage(name: str, sequence: int, number: str = "OR-1") -> dict[str, Any]:
    return {"vendor": "ecourier", "order_number": number, "stage": name, "stage_code": None, "sequence": sequence}


def event(courier_event_id: str, *said: str) -> dict[str, Any]:
    told = dict(zip(("event_type", "occurred_at_text", "event_note"), said, strict=False))
    return {"vendor": "ecourier", "order_number": "OR-1", "courier_event_id": courier_event_id} | told


STAGES = [stage("N", 1), stage("A", 2)]
EVENTS = [event("1"), event("h-9", "Pickup", "7/4/2026 9:30:00 AM", "dock")]


def test_what_was_told_in_full_and_once_is_right() -> None:
    """What the topics hold of other orders and vendors does not count."""
    others = [stage("N", 7, "OR-of-a-former-run"), stage("X", 1) | {"vendor": "dcl"}]
    news = news_in({"stages": [*others, *STAGES], "events": EVENTS}, POLLER, THERE)
    assert news.right
    assert (news.orders, news.events) == (1, {"stages": 2, "events": 2})


@pytest.mark.parametrize(
    ("stages", "events", "fault"),
    [
        ([], EVENTS, "it was never told of"),
        (STAGES[:1], EVENTS, "the last stage is missing"),
        ([STAGES[1]], EVENTS, "the sequence does not begin at 1"),
        ([*STAGES, STAGES[1]], EVENTS, "a stage came twice"),
        (STAGES, EVENTS[:1], "an event is missing"),
        (STAGES, [*EVENTS, EVENTS[0]], "an event came twice"),
        (STAGES, [*EVENTS, event("2")], "an event that the vendor does not have"),
    ],
)
def test_a_difference_is_found(stages: list[Any], events: list[Any], fault: str) -> None:
    assert not news_in({"stages": stages, "events": events}, POLLER, THERE).right, fault


def test_in_a_kafka_that_lives_on_each_run_has_orders_of_its_own() -> None:
    """But for the id that is there to be refused."""
    assert own_mark({}, 1_700_000_000.0) == ""
    mark = own_mark({"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}, 1_700_000_000.0)
    assert mark != own_mark({"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}, 1_700_000_001.0)
    samples = [sample for sample in read_samples(mark=mark) if sample.topic == CREATED]
    assert all(sample.order_id.startswith(mark) and sample.order_id in sample.line for sample in samples[:100])
    assert {sample.order_id for sample in samples if not sample.order_id.startswith(mark)} == {"."}
