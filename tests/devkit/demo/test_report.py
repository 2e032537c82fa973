"""The demo's report finds orders that are missing, doubled or in the wrong state at the vendor."""

import pytest

from workers.app.config.specs import SinkSpec
from workers.devkit.demo.monitor import SinkView
from workers.devkit.demo.report import Parked, compare, expected_orders
from workers.devkit.demo.samples import CREATED, STATUS, Sample
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
    checks = compare(expected_orders(SAMPLES, ECDP), parked, ends, vendor, records=len(SAMPLES))
    return [check.right for check in checks]


def test_a_parked_order_is_not_expected_at_the_vendor() -> None:
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


def test_a_record_without_an_outcome_is_found() -> None:
    assert not all(right(view(2, 1), PARKED, AT_VENDOR))


def test_an_order_with_a_parked_status_is_still_expected() -> None:
    """Its state at the vendor is then not compared."""
    only_status = [Parked("b", STATUS, "unknown-order", "")]
    assert all(right(view(3, 1), only_status, AT_VENDOR | {"b": "placed"}))


def test_a_courier_is_expected_to_have_only_orders_with_a_delivery() -> None:
    delivery = {"delivery": {"service": "rush"}}
    samples = [
        Sample(CREATED, "stays", "placed", "{}", delivery),
        Sample(CREATED, "goes", "placed", "{}", delivery),
        Sample(CREATED, "never", "canceled", "{}", delivery | {"status": "canceled"}),
        Sample(CREATED, "nothing to deliver", "placed", "{}"),
        Sample(STATUS, "stays", "paid", "{}"),
        Sample(STATUS, "goes", "canceled", "{}"),
        Sample(STATUS, "unknown", "canceled", "{}"),
    ]
    due = expected_orders(samples, ECOURIER)
    assert {order_id: (one.number, one.state) for order_id, one in due.items()} == {
        "stays": ("OR-stays", "N"),
        "goes": ("OR-goes", "X"),
    }
