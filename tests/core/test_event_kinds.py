"""Each kind of event: its key, its order id, and the line that an order's timeline shows."""

from typing import Any

import pytest

from workers.core.event_kinds import EVENT_KINDS, KindError, kind_of
from workers.core.events import Created, Status

CREATED: dict[str, Any] = {"order": {"order_id": "A-1"}}
STATUS: dict[str, Any] = {"order_id": "A-1"}
STAGE: dict[str, Any] = {
    "vendor": "dcl", "order_number": "7", "op": "updated", "stage": "60", "progress": "shipped", "previous": None,
}  # fmt: skip
COURIER: dict[str, Any] = {
    "vendor": "ecourier",
    "order_number": "9",
    "order_status": None,
    "event_type": None,
    "courier_event_id": "55",
}
INVOICE: dict[str, Any] = {
    "vendor": "e2cc",
    "invoice_number": "AR-1",
    "status": "Open",
    "state": "open",
    "op": "created",
}
STOCK: dict[str, Any] = {"vendor": "e2cc", "inventory_id": "30504", "warehouse": "MAIN", "op": "deleted"}


@pytest.mark.parametrize(
    ("record", "content", "key"),
    [
        ("OrderCreated", CREATED, "A-1"),
        ("OrderStatus", STATUS, "A-1"),
        ("OrderStageChanged", STAGE, "dcl:7"),
        ("CourierOrderEvent", COURIER, "ecourier:9"),
        ("InvoiceChanged", INVOICE, "e2cc:AR-1"),
        ("InventoryChanged", STOCK, "e2cc:30504:MAIN"),
        ("TrackedOrder", {"order_number": "9", "order_id": "A-1"}, "9"),
    ],
)
def test_events_that_must_stay_in_sequence_share_a_key(record: str, content: dict[str, Any], key: str) -> None:
    assert kind_of(record).key_of(content) == key


def test_a_consumed_event_has_its_order_id_and_creates_or_follows() -> None:
    created, status = kind_of("OrderCreated").order_event(CREATED), kind_of("OrderStatus").order_event(STATUS)
    assert created == Created("A-1", CREATED)  # type: ignore[arg-type]
    assert status == Status("A-1", STATUS)  # type: ignore[arg-type]


def test_what_a_kind_cannot_do_is_refused_by_its_name() -> None:
    with pytest.raises(KindError, match="PollState: only the relay writes"):
        kind_of("PollState").key_of({})
    with pytest.raises(KindError, match="OrderStageChanged is no event that a sink consumes"):
        kind_of("OrderStageChanged").order_event(STAGE)
    with pytest.raises(KindError, match="Unknown has no row"):
        kind_of("Unknown")


@pytest.mark.parametrize(
    ("record", "content", "summary"),
    [
        ("OrderStageChanged", STAGE, "stage 60, shipped"),
        ("OrderStageChanged", {**STAGE, "previous": {"stage": "20"}}, "stage 60, shipped (was 20)"),
        (
            "OrderStageChanged",
            {**STAGE, "op": "deleted", "progress": "cancelled", "previous": {"stage": "60"}},
            "stage 60, cancelled (was 60), deleted",
        ),
        (
            "OrderStageChanged",
            {**STAGE, "back_ordered": True, "on_hold": True},
            "stage 60, shipped, on hold, back-ordered",
        ),
        ("CourierOrderEvent", COURIER, "event 55"),
        ("InvoiceChanged", {**INVOICE, "previous": None}, "invoice Open, open"),
        ("InvoiceChanged", {**INVOICE, "previous": {"status": "Hold"}}, "invoice Open, open (was Hold)"),
        ("InventoryChanged", STOCK, "stock of 30504, deleted"),
        ("CourierOrderEvent", {**COURIER, "event_type": "POD", "order_status": "X"}, "event POD, X"),
    ],
)
def test_a_published_event_has_a_summary(record: str, content: dict[str, Any], summary: str) -> None:
    kind = kind_of(record)
    assert kind.summary is not None
    assert kind.summary(content) == summary


def test_only_published_kinds_have_a_summary_and_only_one_kind_creates_orders() -> None:
    assert [kind.record for kind in EVENT_KINDS.values() if kind.creates_order] == ["OrderCreated"]
    for kind in EVENT_KINDS.values():
        assert (kind.summary is None) == (kind.update_events is None)
