"""The demo finds a change that was not published, published twice, or published for another order."""

from typing import Any

import pytest

from workers.app.config.specs import PollerSpec
from workers.devkit.demo.pollers import compare_events

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
    order = {"vendor": "ecourier", "order_number": number, "stage": name, "stage_code": None, "sequence": sequence}
    return order | {"progress": "unknown"}


def invoice(number: str, sequence: int) -> dict[str, Any]:
    event_id = f"ecourier::{number}:{sequence}:digest"
    return {"vendor": "ecourier", "order_number": "OR-1", "event_id": event_id, "sequence": sequence}


def event(courier_event_id: str, *said: str) -> dict[str, Any]:
    content = dict(zip(("event_type", "occurred_at_text", "event_note"), said, strict=False))
    return {"vendor": "ecourier", "order_number": "OR-1", "courier_event_id": courier_event_id} | content


STAGES = [stage("N", 1), stage("A", 2)]
EVENTS = [event("1"), event("h-9", "Pickup", "7/4/2026 9:30:00 AM", "dock")]


def test_a_poller_that_published_each_change_once_is_right() -> None:
    """Events of other orders and vendors in the topics do not count."""
    others = [stage("N", 7, "OR-of-a-former-run"), stage("X", 1) | {"vendor": "dcl"}]
    report = compare_events({"stages": [*others, *STAGES], "events": EVENTS}, POLLER, THERE)
    assert report.right
    assert (report.orders, report.events) == (1, {"stages": 2, "events": 2})


@pytest.mark.parametrize(
    ("stages", "events", "fault"),
    [
        ([], EVENTS, "nothing was published"),
        (STAGES[:1], EVENTS, "the last stage is missing"),
        ([STAGES[1]], EVENTS, "the sequence does not begin at 1"),
        ([*STAGES, STAGES[1]], EVENTS, "a stage came twice"),
        (STAGES, EVENTS[:1], "an event is missing"),
        (STAGES, [*EVENTS, EVENTS[0]], "an event came twice"),
        (STAGES, [*EVENTS, event("2")], "an event that the vendor does not have"),
    ],
)
def test_a_missing_or_doubled_event_is_found(stages: list[Any], events: list[Any], fault: str) -> None:
    assert not compare_events({"stages": stages, "events": events}, POLLER, THERE).right, fault


def test_the_events_of_an_item_have_no_gap() -> None:
    """They may name an order, and are no stages of it."""
    poller = POLLER.model_copy(update={"publishes": (*POLLER.publishes, "invoices")})
    for sequences, right in (([1, 2], True), ([1, 1], False), ([2], False)):
        events = {
            "stages": STAGES, "events": EVENTS,
            "invoices": [invoice("7", 1), *(invoice("8", each) for each in sequences)],
        }  # fmt: skip
        report = compare_events(events, poller, THERE)
        assert (report.right, report.events["invoices"]) == (right, 1 + len(sequences))
