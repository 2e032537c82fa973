"""The schemas of this repository: what their recorded versions promise to publishers and subscribers."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import Topic, load

STAGES: Final = load(Path(__file__).parents[3] / "schemas")["order-stage-changed"]

PACKAGE: Final = {"carton_id": "C", "tracking_number": "1Z", "delivery_status": ""}
LOT: Final = {"lot_number": "L1", "quantity": b"\x1e\x84\x80"}
ITEM: Final = {"item_number": "I", "quantity": b"\x1e\x84\x80", "serial_numbers": ["S1"], "lots": [LOT]}
SHIPMENT: Final = {"shipment_id": "1", "carrier": "UPS", "service": "", "packages": [PACKAGE]}
EVENT: Final[dict[str, Any]] = {
    "event_id": "",
    "op": "created",
    "vendor": "dcl",
    "order_number": "A1",
    "stage": "60",
    "changed": [],
    "shipments": [SHIPMENT],
    "sequence": 1,
    "observed_at": 0,
}
GROWN: Final = EVENT | {
    "back_ordered": True,
    "on_hold": False,
    "proof_of_delivery": {"name": "A. Sample", "at": 7, "at_text": None},
    "shipments": [{**SHIPMENT, "packages": [PACKAGE | {"items": [ITEM]}], "reference": "R", "freight_charge": b"\x01"}],
}


def of(today: Topic) -> Codec:
    return Codec({today.name: today}, lambda: 0.0)


def test_a_stage_event_of_the_first_version_is_read_with_the_later_fields_empty() -> None:
    former = of(replace(STAGES, today=STAGES.history[0])).encode(STAGES.name, EVENT)
    event = of(STAGES).decode_any(STAGES.name, former)
    assert (event["back_ordered"], event["on_hold"], event["proof_of_delivery"]) == (None, None, None)
    (shipment,) = event["shipments"]
    assert shipment["reference"] is shipment["return_tracking_number"] is shipment["freight_charge"] is None
    assert shipment["packages"][0]["items"] == []


def test_a_subscriber_with_the_first_version_reads_todays_stage_event() -> None:
    today = of(STAGES).encode(STAGES.name, GROWN)
    assert of(STAGES).decode_any(STAGES.name, today)["shipments"][0]["packages"][0]["items"][0]["lots"] == [LOT]
    event = of(replace(STAGES, today=STAGES.history[0])).decode_any(STAGES.name, today)
    assert event["shipments"][0]["packages"] == [PACKAGE | {"delivered_at": None}]
    assert "back_ordered" not in event
