"""The demo's account finds what is missing, doubled or in the wrong state at the vendor."""

from __future__ import annotations

import pytest

from workers.app.config.specs import SinkSpec
from workers.devkit.demo.account import Parked, checks_of, due_of
from workers.devkit.demo.samples import CREATED, STATUS, Sample
from workers.devkit.demo.watch import SinkView
from workers.vendors.ecourier.options import EcourierOptions

SAMPLES = [
    Sample(CREATED, "a", "placed", "{}"),
    Sample(CREATED, "b", "placed", "{}"),
    Sample(STATUS, "a", "paid", "{}"),
    Sample(STATUS, "b", "canceled", "{}"),
]
ECDP = SinkSpec(name="ecdp-sink", vendor="ecdp", consumes=(CREATED, STATUS), parks="p", credentials="ECDP")
ECOURIER = ECDP.model_copy(update={"vendor": "ecourier", "options": EcourierOptions()})
AT_VENDOR = {"a": "paid"}
PARKED = [Parked("b", CREATED, "rejected", ""), Parked("b", STATUS, "behind", "")]


def view(delivered: int, parked: int) -> SinkView:
    return SinkView(
        name="ecdp-sink",
        vendor="ecdp",
        delivered=delivered,
        skipped=0,
        parked=parked,
        parked_orders=1,
        in_flight=0,
        lag=0,
        retries=0,
        duplicates=0,
        gate="open",
        gate_reason="",
        at_vendor=1,
    )


def right(ends: SinkView, parked: list[Parked], vendor: dict[str, str]) -> list[bool]:
    checks = checks_of(due_of(SAMPLES, ECDP), parked, ends, vendor, records=len(SAMPLES))
    return [check.right for check in checks]


def test_what_is_parked_is_not_missed_at_the_vendor() -> None:
    assert all(right(view(2, 2), PARKED, AT_VENDOR))


@pytest.mark.parametrize(
    ("vendor", "fault"),
    [
        ({}, "an order is lost"),
        ({"a": "placed"}, "a status is lost or overtaken"),
        ({"a": "paid", "b": "placed"}, "a parked order was delivered all the same"),
        ({"c": "paid"}, "another order is there instead"),
    ],
)
def test_a_difference_at_the_vendor_is_found(vendor: dict[str, str], fault: str) -> None:
    assert not all(right(view(2, 2), PARKED, vendor)), fault


def test_a_record_without_an_end_is_found() -> None:
    assert not all(right(view(2, 1), PARKED, AT_VENDOR))


def test_a_parked_status_leaves_its_order_delivered() -> None:
    """What the vendor holds of it is then neither right nor wrong."""
    only_status = [Parked("b", STATUS, "unknown-order", "")]
    assert all(right(view(3, 1), only_status, AT_VENDOR | {"b": "placed"}))


def test_a_vendor_of_deliveries_should_have_the_orders_with_one_and_no_others() -> None:
    delivery = {"delivery": {"service": "rush"}}
    samples = [
        Sample(CREATED, "stays", "placed", "{}", delivery),
        Sample(CREATED, "goes", "placed", "{}", delivery),
        Sample(CREATED, "never", "canceled", "{}", delivery | {"status": "canceled"}),
        Sample(CREATED, "nothing to deliver", "placed", "{}"),
        Sample(STATUS, "stays", "paid", "{}"),
        Sample(STATUS, "goes", "canceled", "{}"),
        Sample(STATUS, "of nobody", "canceled", "{}"),
    ]
    due = due_of(samples, ECOURIER)
    assert {order_id: (one.number, one.state) for order_id, one in due.items()} == {
        "stays": ("OR-stays", "N"),
        "goes": ("OR-goes", "X"),
    }
