"""How far an order is: what its stage, its hold and the carriers' texts say together."""

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from tests.vendors.dcl.answers import ROW
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions


def progress(*shipments: list[str], notes: Counter[str] | None = None, stage: int = 60, **options: Any) -> str:
    """Of an order whose shipments have packages of these delivery statuses."""
    shown = [{"packages": [{"delivery_status": text} for text in texts]} for texts in shipments]
    row = ROW | {"order_stage": stage, "shipments": shown}
    return vendor_order(row, None, DclOptions(**options), Counter() if notes is None else notes).stage.progress


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("Delivered", "delivered"),
        (" DELIVERED ", "delivered"),
        ("Delivered, Front Door/Porch", "delivered"),
        ("Delivered, To Original Sender", "returned"),
        ("In Transit", "in_transit"),
        ("IN_TRANSIT", "in_transit"),
        ("In-Transit", "in_transit"),
        ("Arrived at Facility", "in_transit"),
        ("Out For Delivery", "out_for_delivery"),
        ("On FedEx vehicle for delivery", "out_for_delivery"),
        ("Delivery Exception", "exception"),
        ("Returned to Sender", "returned"),
        ("Label Created", "shipped"),
        ("", "shipped"),
    ],
)
def test_the_carriers_common_texts_are_known(text: str, means: str) -> None:
    notes = Counter[str]()
    assert progress([text], notes=notes) == means
    assert not +notes


@pytest.mark.parametrize(
    ("shipments", "means"),
    [
        ([["Delivered", "Delivered"], ["Delivered"]], "delivered"),
        ([["Delivered"], []], "shipped"),
        ([["Delivered", ""]], "shipped"),
        ([["Delivered", "In Transit"]], "in_transit"),
        ([["In Transit"], ["Out for delivery"]], "out_for_delivery"),
        ([["Delivered", "In Transit", "Exception"]], "exception"),
        ([["Delivered"], ["Returned"]], "returned"),
        ([["Returned", "In Transit"]], "in_transit"),
        ([[]], "shipped"),
        ([], "shipped"),
    ],
)
def test_an_order_has_arrived_when_every_package_of_every_shipment_has(shipments: list[list[str]], means: str) -> None:
    """A shipment without packages counted as arrived, and no sweep read the order again."""
    assert progress(*shipments) == means


@pytest.mark.parametrize(("stage", "means"), [(50, "partially_shipped"), (62, "closed_short"), (40, "processing")])
def test_carriers_say_nothing_of_an_order_that_has_not_left_as_a_whole(stage: int, means: str) -> None:
    assert progress(["Delivered"], stage=stage) == means


def test_a_text_that_topics_yaml_maps_goes_before_the_defaults() -> None:
    mapped = {"Entregado": "delivered", "in  transit": "exception"}
    assert progress(["ENTREGADO"], delivery_statuses=mapped) == "delivered"
    assert progress(["In_Transit"], delivery_statuses=mapped) == "exception"
    with pytest.raises(ValidationError):
        DclOptions(delivery_statuses={"Entregado": "arrived"})


def test_texts_and_stages_without_a_meaning_are_counted() -> None:
    notes = Counter[str]()
    assert progress(["Entregado", "Delivered", ""], notes=notes) == "shipped"
    assert progress([], stage=45, notes=notes) == "unknown"
    assert +notes == {"unmapped_delivery_statuses": 1, "unmapped_stages": 1}
